import ByteCoding
import CanonicalJSON
import MusterModel
import MusterPolicy
import MusterSystem
import OpenSSHFormats

/// A policy as people write it: the document of `FleetPolicy` in YAML, without version and dates, which compiling adds.
///
/// ```
/// operators:
///   ada:
///     keys:
///       - public_key: ssh-ed25519 AAAA…
///         expires: 2027-01-01T00:00:00Z
/// groups:
///   leads: [ada]
/// rules:
///   - name: leads may do everything
///     allow: [enroll, tag-node, extend-node, exempt-node, remove-node, upgrade, roll-back]
///     who: [group:leads]
///     nodes: ["*"]
///     tags: ["*"]
/// ```
/// Stricter than the document: a member that is not known here is a mistake, with its line and column.
struct PolicySource: Sendable {
    /// Most bytes of a source.
    static let byteLimit = 1_000_000

    /// A compiled policy.
    struct Compiled: Sendable {
        let policy: FleetPolicy

        /// The bytes of the TUF target.
        var document: [UInt8] { policy.bytes }
    }

    let text: String
    let file: String

    init(text: String, file: String) {
        self.text = text
        self.file = file
    }

    init(file: String) throws {
        let bytes = try BoundedFile.read(file, limit: Self.byteLimit)
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw CommandFailure.refused("\(file) is not UTF-8 text")
        }
        self.init(text: text, file: file)
    }

    /// Compiles to the policy of this version; the error names file, line and column.
    func compile(version: Int64, issued: UTCTime, expires: UTCTime) throws -> Compiled {
        let document = try YAMLDocument(text, file: file)
        guard case .object(var object) = document.value else {
            throw document.failure(at: "", "expected operators and rules")
        }
        try PolicyForm.check(document)
        object["_type"] = "policy"
        object["version"] = .integer(version)
        object["issued"] = JSONValue(issued)
        if object["expires"] == nil { object["expires"] = JSONValue(expires) }
        do throws(JSONError) {
            let policy = try FleetPolicy(try JSONFields(.object(object)))
            return Compiled(policy: policy)
        } catch {
            throw document.failure(at: error.location, error.reason)
        }
    }

    /// The policy of a fleet with one owner, with the comments that make it easy to change.
    static func firstText(_ name: OperatorName, _ key: SSHPublicKey, _ expires: UTCTime) -> String {
        """
        # Who may do what in this fleet. Every node checks this by itself, so a change counts once it is signed by the
        # policy keys and published: muster policy check FILE, then muster policy publish FILE

        operators:
          \(name):
            keys:
              - public_key: \(key.line)
                expires: \(expires)

        groups:
          owners: [\(name)]

        rules:
          - name: owners may do everything
            allow: [enroll, tag-node, extend-node, exempt-node, remove-node, upgrade, roll-back]
            who: ["group:owners"]
            nodes: ["*"]
            tags: ["*"]

          # muster ssh HOST: short-lived certificates, so no key has to lie on any node.
          - name: owners log in everywhere
            allow: [ssh-certificate]
            who: ["group:owners"]
            nodes: ["*"]
            users: ["*"]
            max_seconds: 43200
            extensions: [permit-pty, permit-port-forwarding]

          - name: owners revoke
            allow: [revoke]
            who: ["group:owners"]
            nodes: ["*"]

          # With more people, let one ask and another approve:
          # - name: upgrades of web servers need a second person
          #   allow: [upgrade, roll-back]
          #   who: ["group:owners"]
          #   nodes: ["tag:web"]
          #   approvals:
          #     count: 1
          #     from: ["group:owners"]

        """
    }
}
