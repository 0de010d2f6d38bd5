import ByteCoding
import CanonicalJSON
import MusterModel
import TUF

/// The metadata of the role `revocations`, which the service signs: it names one target, the KRL.
///
/// ```
/// "targets": {"ssh/revoked.krl": {"length": 123, "hashes": {…}, "custom": {"muster": {"krl_version": 7}}}}
/// ```
struct RevocationMetadata: Sendable {
    /// The KRL's target path.
    static let targetPath = "ssh/revoked.krl"
    /// The role.
    static let role = "revocations"

    /// The version of the KRL.
    let listVersion: Int64
    /// The version of the metadata.
    let version: Int64
    /// When it expires.
    let expires: UTCTime
    /// The key ids of its signatures.
    let signers: [String]

    /// Reads what metadata say; nil where they say nothing that makes sense, and new ones are due.
    init?(_ bytes: [UInt8]?) {
        guard let bytes, let envelope = try? SignedEnvelope(parsing: bytes, limit: 5_000_000),
            let targets = try? Targets(envelope), let file = targets.file(Self.targetPath),
            let custom = file.custom, let fields = try? JSONFields(custom, at: "custom").fields("muster"),
            let listVersion = try? fields.integer("krl_version")
        else { return nil }
        self.listVersion = listVersion
        version = targets.version
        expires = targets.expires
        signers = envelope.signatures.map(\.keyID)
    }

    /// Metadata that name a KRL.
    static func targets(
        version: Int64,
        expires: UTCTime,
        list: [UInt8],
        listVersion: Int64
    ) throws(JSONError) -> Targets {
        let custom: JSONValue = ["muster": ["krl_version": .integer(listVersion)]]
        let file = TargetFile(path: targetPath, content: list, custom: custom)
        return try Targets(version: version, expires: expires, targets: [file])
    }

    /// Whether new metadata are due, when the newest KRL has version `wanted`.
    func isDue(wanted: Int64, lifetime: Int64, signer: String, at time: UTCTime) -> Bool {
        listVersion < wanted || expires < time.adding(seconds: lifetime / 2) || !signers.contains(signer)
    }
}
