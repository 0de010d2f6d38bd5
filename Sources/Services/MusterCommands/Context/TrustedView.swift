import ByteCoding
import CanonicalJSON
import MusterClient
import MusterModel
import MusterSystem
import SignatureVerification
import TUF
import TUFClient
import TUFTrust

/// What this person trusts about the fleet's releases and policy: never the service's word, always a chain of signatures
/// from the pinned first root.
struct TrustedView: Sendable {
    /// The roles whose metadata people sign offline.
    static let delegatedRoles = ["releases", "policy"]
    /// The target path of the policy document.
    static let policyPath = "policy/fleet.json"
    /// Most bytes of a policy document.
    static let policyLimit = 4_000_000

    /// The trusted metadata, `releases` and `policy` loaded.
    let metadata: TrustedMetadata
    /// The trusted policy document, exactly as signed.
    let policyDocument: [UInt8]

    /// The trusted `releases` metadata.
    var releases: Targets? { metadata.delegatedTargets("releases") }
    /// The trusted `policy` metadata.
    var policy: Targets? { metadata.delegatedTargets("policy") }

    /// Brings everything up to date with the repository and stores it in the folder.
    static func refresh(_ context: CommandContext, _ client: MusterClient) async throws -> TrustedView {
        let fleet = try context.folder.fleet()
        let directory = MetadataDirectory(context.folder.tuf)
        let fetcher = RepositoryFetcher(client)
        let tuf = TUFClient(directory: directory, fetcher: fetcher, pinnedRoot: try pinnedRoot(context, fleet.fleet))
        do throws(TUFClientError) {
            var metadata = try await tuf.refresh(at: context.now())
            for role in delegatedRoles { try await tuf.load(role, "targets", &metadata) }
            let document = try await document(metadata, fetcher)
            return TrustedView(metadata: metadata, policyDocument: document)
        } catch {
            throw failure(error, fleet.service)
        }
    }

    /// The first root of the fleet, which must have the fleet id as its SHA-256.
    static func pinnedRoot(_ context: CommandContext, _ fleet: FleetID) throws -> [UInt8] {
        let file = context.folder.pinnedRootFile
        guard let bytes = try BoundedFile.readIfPresent(file, limit: 512_000) else {
            throw CommandFailure.undetermined("\(file) is missing: get it back with 'muster fleet join'")
        }
        guard FleetID(digest: Digest.sha256(bytes)) == fleet else {
            throw CommandFailure.refused("\(file) is not the first root of fleet \(fleet): it was altered")
        }
        return bytes
    }

    private static func document(
        _ metadata: TrustedMetadata,
        _ fetcher: RepositoryFetcher
    ) async throws(TUFClientError) -> [UInt8] {
        guard let file = metadata.delegatedTargets("policy")?.file(policyPath),
            let address = TargetPath.address(of: file, consistentSnapshot: metadata.root.consistentSnapshot)
        else { throw .fetch(address: policyPath, reason: "the policy role does not describe it") }
        guard let bytes = try await fetcher.target(address, limit: policyLimit) else {
            throw .fetch(address: address, reason: "the repository does not have it")
        }
        guard Int64(bytes.count) == file.length, file.hashes.match(bytes) else {
            throw .trust(TUFTrustError(.wrongContent, "\(policyPath): the content does not have the signed hash"))
        }
        return bytes
    }

    /// A repository that does not answer leaves the question open; one that answers wrongly is refused.
    private static func failure(_ error: TUFClientError, _ service: String) -> CommandFailure {
        switch error {
        case .fetch: .undetermined("cannot refresh trusted metadata from \(service): \(error)")
        case .storage: .undetermined("cannot store trusted metadata: \(error)")
        case .trust(let trust) where trust.code == .expired:
            .undetermined("trusted metadata is out of date: \(error)")
        case .trust, .noTrustedRoot: .refused("the repository of \(service) is not trusted: \(error)")
        }
    }
}
