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
/// tags:
///   web: {owners: ["group:leads"]}
/// commands:
///   restart-web:
///     argv: [/usr/bin/systemctl, restart, "{unit}"]
///     parameters: {unit: {type: text, pattern: "nginx|php-fpm"}}
///     user: root
/// rules:
///   - name: leads restart web servers by day
///     allow: [run]
///     who: ["group:leads"]
///     nodes: ["tag:web"]
///     commands: [restart-web]
///     windows: [{days: [mon, tue, wed, thu, fri], from: "08:00", to: "18:00", zone: Europe/Berlin}]
/// freezes:
///   - {name: year end, reason: the books are closed, from: "2026-12-18 17:00", until: "2027-01-04 07:00",
///      zone: Europe/Berlin, nodes: ["*"], except_security: true}
/// limits: {db: 1}
/// urgency: {security: {skip_bake: true, ignore_windows: true}}
/// tests:
///   - {name: at night, as: ada, action: run, command: restart-web, node: {tags: [web]}, at: 2027-01-12T02:00:00Z,
///      expect: refused}
/// ```
/// Stricter than the document: a member that is not known here is a mistake, with its line and column.
struct PolicySource: Sendable {
    /// Most bytes of a source.
    static let byteLimit = 1_000_000

    /// Offsets of time zones are worked out from so many days before the policy is issued, for clocks that are behind.
    private static let daysBefore: Int64 = 8

    /// A compiled policy.
    struct Compiled: Sendable {
        let policy: FleetPolicy
        /// The decisions that its author expects; they are no part of what is signed.
        let tests: [PolicyTest]
        /// What it was made from.
        let source: YAMLDocument

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

    /// Compiles to the policy of this version, or throws `PolicyMistakes` with all that was found.
    func compile(version: Int64, issued: UTCTime, expires: UTCTime) throws -> Compiled {
        let document = try YAMLDocument(text, file: file)
        guard case .object = document.value else {
            throw PolicyMistakes([document.mistake(at: "", "expected operators and rules")])
        }
        var form = PolicyForm(document)
        form.check()
        let tests = tests(document, &form)
        let earliest = tests.compactMap(\.at).min().map { min($0, issued) } ?? issued
        // Whole years, so that the same window has the same offsets whenever in a year it is compiled.
        var compiler = PolicyCompiler(
            document,
            from: Self.newYear(of: earliest.adding(seconds: -Self.daysBefore * 86400), plus: 0),
            to: Self.newYear(of: max(expires, Self.expiry(document) ?? expires), plus: 1)
        )
        var object = compiler.members()
        form.add(compiler.mistakes)
        PolicyParts(object).check(&form)
        guard form.mistakes.isEmpty else { throw PolicyMistakes(form.mistakes) }
        object["_type"] = "policy"
        object["version"] = .integer(version)
        object["issued"] = JSONValue(issued)
        if object["expires"] == nil { object["expires"] = JSONValue(expires) }
        do throws(JSONError) {
            return Compiled(policy: try FleetPolicy(JSONFields(.object(object))), tests: tests, source: document)
        } catch {
            throw PolicyMistakes([document.mistake(at: error.location, error.reason)])
        }
    }

    private static func newYear(of time: UTCTime, plus years: Int) -> UTCTime {
        guard let year = Int(time.description.prefix(4)) else { return time }
        return UTCTime("\(max(1970, min(year + years, 9999)))-01-01T00:00:00Z") ?? time
    }

    private static func expiry(_ document: YAMLDocument) -> UTCTime? {
        if case .string(let text)? = document.value["expires"] { UTCTime(text) } else { nil }
    }

    private func tests(_ document: YAMLDocument, _ form: inout PolicyForm) -> [PolicyTest] {
        var tests: [PolicyTest] = []
        for (index, value) in PolicyForm.entries(document.value["tests"]).enumerated() {
            do throws(JSONError) {
                tests.append(try PolicyTest(value, at: "tests[\(index)]", document))
            } catch {
                form.note(error.location, error.reason)
            }
        }
        return tests
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

        # What muster run can run, and nothing else: words that no shell reads. Parameters: see policies/home-lab.yaml.
        commands:
          uptime:
            argv: [/usr/bin/uptime]
            user: nobody

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

          - name: owners run commands
            allow: [run]
            who: ["group:owners"]
            nodes: ["*"]
            commands: ["*"]

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

        # What you expect: muster policy publish refuses a policy that decides otherwise.
        # tests:
        #   - {name: \(name) upgrades, as: \(name), action: upgrade, expect: allowed}

        """
    }
}
