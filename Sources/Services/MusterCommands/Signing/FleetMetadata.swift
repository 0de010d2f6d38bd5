import CanonicalJSON
import MusterClient
import TUF
import TUFClient
import TUFTrust

/// The fleet's trusted root and top-level targets metadata, expired or not: what their next versions are made from.
///
/// Nothing here asks for a timestamp or a snapshot, so that a fleet whose metadata expired, or whose service lost its keys,
/// is renewed by the same signatures as any other.
struct FleetMetadata: Sendable {
    /// The roles that the root keys sign, in the order in which they are published.
    static let roles = ["root", "targets"]
    /// Most versions that are looked for beyond the stored one.
    private static let newVersions = 1024

    /// The trusted root.
    let root: Root
    /// By role, as signed.
    let envelopes: [String: SignedEnvelope]

    /// What the folder holds, without asking the service.
    static func stored(_ context: CommandContext) throws -> FleetMetadata {
        let directory = MetadataDirectory(context.folder.tuf)
        let pinned = try TrustedView.pinnedRoot(context, try context.folder.fleet().fleet)
        let bytes = directory.read("root") ?? pinned
        let root = try TrustedMetadata(trustedRoot: bytes, time: context.now()).root
        var envelopes = ["root": try SignedEnvelope(parsing: bytes, limit: bytes.count)]
        if let bytes = directory.read("targets") { envelopes["targets"] = try verified(bytes, root) }
        return FleetMetadata(root: root, envelopes: envelopes)
    }

    /// What the folder holds after the service was asked for newer versions.
    static func fetched(_ context: CommandContext, _ client: MusterClient) async throws -> FleetMetadata {
        let directory = MetadataDirectory(context.folder.tuf)
        let fetcher = RepositoryFetcher(client)
        let pinned = try TrustedView.pinnedRoot(context, try context.folder.fleet().fleet)
        let tuf = TUFClient(directory: directory, fetcher: fetcher, pinnedRoot: pinned)
        do {
            _ = try await tuf.refresh(at: context.now())
        } catch {
            // Expired, or fresh metadata of another service: the chain of roots was followed and stored all the same.
            guard case .trust = error else { throw error }
        }
        let root = try stored(context).root
        var version = directory.read("targets").flatMap { try? Self.version($0) } ?? 0
        for _ in 0..<newVersions {
            guard version < .max, let bytes = try await fetcher.fetch("\(version + 1).targets.json", limit: 5_000_000)
            else { break }
            version += 1
            // Those of an earlier root's keys are skipped.
            if let envelope = try? verified(bytes, root), try Self.version(envelope) == version {
                try directory.write(bytes, "targets")
            }
        }
        return try stored(context)
    }

    /// Who signs the next version of a role, after `root`, which is the trusted one unless a newer one is at hand.
    func view(_ role: String, under root: Root? = nil) throws -> SigningView {
        let named = (root ?? self.root).roleKeys(role == "root" ? .root : .targets)
        return SigningView(role: role, keys: named.keys, threshold: named.threshold, current: nil)
    }

    /// The trusted metadata of a role; a failure where there is none.
    func current(_ role: String) throws -> SignedEnvelope {
        guard let envelope = envelopes[role] else {
            throw CommandFailure.undetermined("there is no trusted \(role) metadata here: run 'muster fleet show'")
        }
        return envelope
    }

    /// The version that an envelope says it is.
    static func version(_ envelope: SignedEnvelope) throws -> Int64 {
        guard let version = envelope.signedNode["version"]?.integer else {
            throw CommandFailure.refused("the metadata has no version")
        }
        return version
    }

    private static func version(_ bytes: [UInt8]) throws -> Int64 {
        try version(SignedEnvelope(parsing: bytes, limit: bytes.count))
    }

    private static func verified(_ bytes: [UInt8], _ root: Root) throws -> SignedEnvelope {
        let envelope = try SignedEnvelope(parsing: bytes, limit: bytes.count)
        let named = root.roleKeys(.targets)
        try TUFSignatureThreshold.verify(envelope, keys: named.keys, threshold: named.threshold, what: "targets")
        _ = try Targets(envelope)
        return envelope
    }
}
