import ByteCoding
import CanonicalJSON
import MusterModel
import MusterSystem
import TUF

/// Metadata on its way to its threshold: one file that signers hand around.
///
/// ```
/// {"_type": "muster-staged", "fleet": "<64 hex>", "role": "releases",
///  "envelope": {"signed": {…}, "signatures": […]}, "document": {…}?,
///  "ssh_trust": {…}?}
/// ```
/// `document` is the policy that `policy/fleet.json` will be, `ssh_trust` a new `ssh/trust.json`. Nothing in the file is believed: the
/// envelope counts by its signatures, the documents by the hashes in the envelope.
struct StagedMetadata: Sendable {
    static let typeName = "muster-staged"
    static let byteLimit = 60_000_000

    let fleet: FleetID
    let role: String
    var envelope: SignedEnvelope
    let document: JSONValue?
    let sshTrust: JSONValue?

    init(
        fleet: FleetID,
        role: String,
        envelope: SignedEnvelope,
        document: JSONValue?,
        sshTrust: JSONValue? = nil
    ) {
        self.fleet = fleet
        self.role = role
        self.envelope = envelope
        self.document = document
        self.sshTrust = sshTrust
    }

    /// Reads a staged file that must be of this fleet and role.
    static func read(_ path: String, role: String, fleet: FleetID) throws -> StagedMetadata {
        try read(path, roles: [role], fleet: fleet)
    }

    /// Reads a staged file that must be of this fleet and of one of these roles.
    static func read(_ path: String, roles: [String], fleet: FleetID) throws -> StagedMetadata {
        let bytes = try BoundedFile.read(path, limit: byteLimit)
        let staged: StagedMetadata
        do {
            staged = try StagedMetadata(JSONFields(JSONValue.parse(bytes, limit: byteLimit)))
        } catch {
            throw CommandFailure.refused("\(path) is not staged metadata: \(error)")
        }
        guard staged.fleet == fleet else {
            throw CommandFailure.refused("\(path) is of fleet \(staged.fleet), this is fleet \(fleet)")
        }
        guard roles.contains(staged.role) else {
            throw CommandFailure.refused(
                "\(path) holds metadata of '\(staged.role)', not of '\(roles.joined(separator: "' or '"))'"
            )
        }
        return staged
    }

    init(_ fields: JSONFields) throws(JSONError) {
        guard try fields.string("_type", limit: 64) == Self.typeName else {
            throw fields.error("_type", "is not \(Self.typeName)")
        }
        fleet = try fields.name("fleet")
        role = try fields.string("role", limit: 64)
        let envelope = JSONValue.object(try fields.fields("envelope").object)
        self.envelope = try SignedEnvelope(parsing: envelope.jsonBytes, limit: Self.byteLimit)
        document = fields.has("document") ? .object(try fields.fields("document").object) : nil
        sshTrust = fields.has("ssh_trust") ? .object(try fields.fields("ssh_trust").object) : nil
    }

    /// The metadata; a failure where it is no targets metadata at all.
    func targets() throws -> Targets {
        do {
            return try Targets(envelope)
        } catch {
            throw CommandFailure.refused("staged \(role) metadata makes no sense: \(error)")
        }
    }

    /// Writes the file.
    func write(to path: String) throws {
        var object: JSONObject = [
            "_type": .string(Self.typeName), "fleet": JSONValue(fleet), "role": .string(role),
            "envelope": [
                "signed": envelope.signed, "signatures": .array(envelope.signatures.map(\.json)),
            ],
        ]
        object["document"] = document
        object["ssh_trust"] = sshTrust
        try Directory.create(Directory.parent(of: path))
        try AtomicFile.write(Array(JSONValue.object(object).prettyText.utf8), to: path, mode: 0o644)
    }

    /// The same content with every valid signature of either.
    func merged(with other: StagedMetadata, path: String, _ view: SigningView) throws -> StagedMetadata {
        guard other.envelope.canonicalBytes == envelope.canonicalBytes else {
            throw CommandFailure.refused(
                "\(path) is not the same metadata as the first: it was signed for another content"
            )
        }
        var merged = self
        for signature in other.envelope.signatures {
            guard let key = view.keys[signature.keyID],
                key.verify(signature: signature.signature, message: envelope.canonicalBytes)
            else {
                throw CommandFailure.refused(
                    "\(path) has a signature by \(signature.keyID.prefix(16)) that is not valid"
                )
            }
            merged.envelope = try merged.envelope.adding(signature)
        }
        return merged
    }
}
