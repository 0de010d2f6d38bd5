import MusterClient
import MusterModel
import OpenSSHFormats
import TUF
import TUFClient
import TUFTrust

extension TrustedView {
    private static let revocationsPath = "ssh/revoked.krl"

    /// The newest list of what is revoked, as the fleet has signed it; nil where nothing ever was.
    func revocations(_ context: CommandContext, _ client: MusterClient) async throws -> SSHRevocationList? {
        // A fleet that has revoked nothing yet has no metadata of the role.
        guard metadata.snapshot?.role("revocations") != nil else { return nil }
        var metadata = metadata
        let fetcher = RepositoryFetcher(client)
        let tuf = TUFClient(
            directory: MetadataDirectory(context.folder.tuf),
            fetcher: fetcher,
            pinnedRoot: try Self.pinnedRoot(context, try context.folder.fleet().fleet)
        )
        do {
            guard let file = try await tuf.targetFile(Self.revocationsPath, in: &metadata),
                let address = TargetPath.address(of: file, consistentSnapshot: metadata.root.consistentSnapshot)
            else { return nil }
            guard let bytes = try await fetcher.target(address, limit: SSHRevocationList.byteLimit) else {
                throw CommandFailure.undetermined("the repository does not have \(address)")
            }
            guard Int64(bytes.count) == file.length, file.hashes.match(bytes) else {
                throw CommandFailure.refused("\(Self.revocationsPath): the content does not have the signed hash")
            }
            return try SSHRevocationList(bytes: bytes)
        } catch let failure as CommandFailure {
            throw failure
        } catch {
            throw CommandFailure.undetermined("it cannot be found out which host keys are revoked: \(error)")
        }
    }
}
