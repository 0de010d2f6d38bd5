import ByteCoding
import CanonicalJSON
import TUF
import TUFClient
import TUFTrust

/// What a signer needs to believe before signing a role's metadata: root, targets and the role's current metadata, all
/// verified again from the folder, without any service.
struct SigningView: Sendable {
    /// The role that is to be signed.
    let role: String
    /// The keys that may sign it, by id.
    let keys: [String: TUFKey]
    /// How many of them must.
    let threshold: Int
    /// The role's trusted metadata; nil where this person never fetched it.
    let current: Targets?

    /// The view of the stored metadata at `time`.
    ///
    /// Timestamp and snapshot are left out: offline they would have expired, and they protect what is installed, not what
    /// is signed. Root and targets must not have expired.
    static func stored(role: String, _ context: CommandContext) throws -> SigningView {
        let directory = MetadataDirectory(context.folder.tuf)
        let fleet = try context.folder.fleet()
        let root = try storedRoot(directory, try TrustedView.pinnedRoot(context, fleet.fleet), context.now())
        let targets = try verified("targets", directory, root.roleKeys(.targets))
        try checkExpiry("root \(root.version)", root.expires, context.now())
        guard let targets else {
            throw CommandFailure.undetermined(
                "no trusted targets metadata in \(directory.path): run 'muster fleet show'"
            )
        }
        try checkExpiry("targets \(targets.version)", targets.expires, context.now())
        guard let keys = targets.delegations?.roleKeys(role) else {
            throw CommandFailure.refused("the fleet's targets metadata does not delegate to a role '\(role)'")
        }
        let current = try verified(role, directory, keys)
        return SigningView(role: role, keys: keys.keys, threshold: keys.threshold, current: current)
    }

    /// How many distinct keys of the role have signed.
    func signatures(of envelope: SignedEnvelope) -> Int {
        TUFSignatureThreshold.count(
            message: envelope.canonicalBytes,
            signatures: envelope.signatures,
            keys: keys,
            threshold: keys.count + 1
        )
    }

    /// Whether enough have signed.
    func isComplete(_ envelope: SignedEnvelope) -> Bool {
        threshold >= 1 && signatures(of: envelope) >= threshold
    }

    /// Ids of the role's keys whose valid signature is still missing, in order.
    func missing(_ envelope: SignedEnvelope) -> [String] {
        keys.filter { id, key in
            !envelope.signatures.contains {
                $0.keyID == id && key.verify(signature: $0.signature, message: envelope.canonicalBytes)
            }
        }.keys.sorted()
    }

    private static func storedRoot(
        _ directory: MetadataDirectory,
        _ pinned: [UInt8],
        _ time: UTCTime
    ) throws -> Root {
        try TrustedMetadata(trustedRoot: directory.read("root") ?? pinned, time: time).root
    }

    private static func verified(
        _ role: String,
        _ directory: MetadataDirectory,
        _ keys: (keys: [String: TUFKey], threshold: Int)
    ) throws -> Targets? {
        guard let bytes = directory.read(role) else { return nil }
        let envelope = try SignedEnvelope(parsing: bytes, limit: 50_000_000)
        try TUFSignatureThreshold.verify(envelope, keys: keys.keys, threshold: keys.threshold, what: role)
        return try Targets(envelope)
    }

    private static func checkExpiry(_ what: String, _ expires: UTCTime, _ now: UTCTime) throws {
        guard now < expires else {
            throw CommandFailure.refused(
                "\(what) expired at \(expires): the root keys must renew it first: muster fleet renew"
            )
        }
    }
}
