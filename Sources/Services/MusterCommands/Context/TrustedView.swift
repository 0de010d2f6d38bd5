import ByteCoding
import CanonicalJSON
import MusterClient
import MusterModel
import MusterPolicy
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

    /// The trusted metadata, `releases` and `policy` loaded as far as they have not expired.
    let metadata: TrustedMetadata
    /// Roles whose newest signed metadata has expired: good for nothing but being renewed.
    let expired: [String: Targets]
    /// The trusted policy document, exactly as signed.
    let policyDocument: [UInt8]
    /// The trusted `ssh/trust.json`, exactly as signed; nil where the fleet has no SSH side.
    let sshDocument: [UInt8]?

    /// The trusted releases; a failure that says what to do where they have expired.
    func releases() throws -> Targets {
        if let releases = metadata.delegatedTargets("releases") { return releases }
        let expiry = expired["releases"].map { " at \($0.expires)" } ?? ""
        throw CommandFailure.undetermined("the list of releases expired\(expiry): renew it with 'muster release renew'")
    }

    /// The trusted policy; a failure that says what to do where it has expired.
    func policy() throws -> FleetPolicy {
        guard metadata.delegatedTargets("policy") != nil else {
            let expiry = expired["policy"].map { " at \($0.expires)" } ?? ""
            throw CommandFailure.undetermined("the policy expired\(expiry): renew it with 'muster policy publish FILE'")
        }
        return try FleetPolicy(parsing: policyDocument)
    }

    /// The trusted SSH CAs; a failure that says what to do where there are none, or the policy keys' word has expired.
    func sshTrust() throws -> SSHTrust {
        _ = try policy()
        guard let sshDocument else {
            throw CommandFailure.refused("the fleet has no SSH certificates: turn them on with 'muster ssh enable'")
        }
        return try SSHTrust(parsing: sshDocument)
    }

    /// The newest signed metadata of a role, expired or not: what the next version is made from.
    func newest(_ role: String) throws -> Targets {
        guard let targets = metadata.delegatedTargets(role) ?? expired[role] else {
            throw CommandFailure.undetermined("there is no trusted metadata of '\(role)'")
        }
        return targets
    }

    /// Brings everything up to date with the repository and stores it in the folder.
    static func refresh(_ context: CommandContext, _ client: MusterClient) async throws -> TrustedView {
        let fleet = try context.folder.fleet()
        let directory = MetadataDirectory(context.folder.tuf)
        let fetcher = RepositoryFetcher(client)
        let tuf = TUFClient(directory: directory, fetcher: fetcher, pinnedRoot: try pinnedRoot(context, fleet.fleet))
        do throws(TUFClientError) {
            var metadata = try await tuf.refresh(at: context.now())
            var expired: [String: Targets] = [:]
            for role in delegatedRoles {
                do throws(TUFClientError) {
                    try await tuf.load(role, "targets", &metadata)
                } catch .trust(let error) where error.code == .expired {
                    expired[role] = try await outdated(role, metadata, fetcher, directory)
                }
            }
            let policy = metadata.delegatedTargets("policy") ?? expired["policy"]
            let document = try await Self.document(policyPath, policy, policyLimit, metadata, fetcher)
            let hasSSH = policy?.file(SSHTrust.targetPath) != nil
            let ssh =
                hasSSH
                ? try await Self.document(SSHTrust.targetPath, policy, SSHTrust.byteLimit, metadata, fetcher) : nil
            return TrustedView(metadata: metadata, expired: expired, policyDocument: document, sshDocument: ssh)
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

    /// Metadata that is signed and current but has expired, so that whoever may sign can renew it: nothing wedges.
    private static func outdated(
        _ role: String,
        _ metadata: TrustedMetadata,
        _ fetcher: RepositoryFetcher,
        _ directory: MetadataDirectory
    ) async throws(TUFClientError) -> Targets {
        let targets: Targets
        let bytes: [UInt8]
        do {
            let (version, limit) = try metadata.targetsToFetch(role)
            let name = "\(version).\(role).json"
            guard let fetched = try await fetcher.fetch(name, limit: limit),
                let keys = metadata.roleKeys(delegated: role)
            else { throw TUFClientError.fetch(address: name, reason: "the repository does not have it") }
            bytes = fetched
            let envelope = try SignedEnvelope(parsing: bytes, limit: limit)
            try TUFSignatureThreshold.verify(envelope, keys: keys.keys, threshold: keys.threshold, what: role)
            targets = try Targets(envelope)
            guard targets.version == version else {
                throw TUFTrustError(.mixAndMatch, "\(role): version \(targets.version), the snapshot names \(version)")
            }
        } catch let error as TUFClientError {
            throw error
        } catch let error as TUFTrustError {
            throw .trust(error)
        } catch {
            throw .trust(TUFTrustError(.malformed, "\(role): \(error)"))
        }
        try directory.write(bytes, role)
        return targets
    }

    private static func document(
        _ path: String,
        _ policy: Targets?,
        _ limit: Int,
        _ metadata: TrustedMetadata,
        _ fetcher: RepositoryFetcher
    ) async throws(TUFClientError) -> [UInt8] {
        guard let file = policy?.file(path),
            let address = TargetPath.address(of: file, consistentSnapshot: metadata.root.consistentSnapshot)
        else { throw .fetch(address: path, reason: "the policy role does not describe it") }
        guard let bytes = try await fetcher.target(address, limit: limit) else {
            throw .fetch(address: address, reason: "the repository does not have it")
        }
        guard Int64(bytes.count) == file.length, file.hashes.match(bytes) else {
            throw .trust(TUFTrustError(.wrongContent, "\(path): the content does not have the signed hash"))
        }
        return bytes
    }

    private static func isOfRootKeys(_ error: TUFTrustError) -> Bool {
        FleetMetadata.roles.contains { error.message.hasPrefix($0) }
    }

    /// A repository that does not answer leaves the question open; one that answers wrongly is refused.
    private static func failure(_ error: TUFClientError, _ service: String) -> CommandFailure {
        switch error {
        case .fetch: .undetermined("cannot refresh trusted metadata from \(service): \(error)")
        case .storage: .undetermined("cannot store trusted metadata: \(error)")
        case .trust(let trust) where trust.code == .expired:
            .undetermined(
                "trusted metadata is out of date: \(error)"
                    + (isOfRootKeys(trust) ? "; the root keys renew it: muster fleet renew" : "")
            )
        case .trust, .noTrustedRoot: .refused("the repository of \(service) is not trusted: \(error)")
        }
    }
}
