import ByteCoding
import CanonicalJSON
import MusterModel
import MusterPolicy
import TUF
import TUFClient
import TUFTrust

/// Everything that is trusted at one moment: the repository's metadata and the policy that it describes.
public struct FleetTrust: Sendable {
    /// The metadata.
    public var metadata: TrustedMetadata
    /// The policy.
    public let policy: FleetPolicy
    /// When it was established, by the node's clock.
    public let time: UTCTime

    /// The version of the timestamp metadata.
    public var timestampVersion: Int64 { metadata.timestamp?.version ?? 0 }
    /// The version of the policy.
    public var policyVersion: Int64 { policy.version }

    /// The ids of the keys that sign update manifests, in order; nil where no role does.
    var manifestKeys: [String]? { keyIDs(of: "manifest") }

    /// The ids of the keys of a role that the top-level targets metadata delegates to, in order; nil where it does not.
    func keyIDs(of role: String) -> [String]? {
        metadata.roleKeys(delegated: role)?.keys.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }
}

/// Why nothing can be trusted now; the node does nothing until it is over.
public struct TrustProblem: Error, Equatable, Sendable, CustomStringConvertible {
    /// What was tried and why it failed.
    public let message: String

    /// A problem.
    public init(_ message: String) {
        self.message = message
    }

    /// The message.
    public var description: String { message }
}

/// Establishes trust: brings the metadata up to date from the pinned root, then the policy.
public struct FleetTrustSource: Sendable {
    private let client: TUFClient
    private let targets: any TUFFetcher

    /// How much of a fleet's metadata is read: the roles that the service signs itself name a file at most.
    static let limits: TUFLimits = {
        var limits = TUFLimits()
        for role in ["revocations", "manifest"] { limits.roles[role] = 65_536 }
        return limits
    }()

    /// A source of the client's metadata and of target files from `targets`.
    public init(client: TUFClient, targets: any TUFFetcher) {
        self.client = client
        self.targets = targets
    }

    /// What is trusted at `time`; `previous` saves fetching a policy that has not changed.
    public func refresh(at time: UTCTime, previous: FleetTrust?) async throws(TrustProblem) -> FleetTrust {
        do throws(TUFClientError) {
            var metadata = try await client.refresh(at: time)
            guard let file = try await client.targetFile(FleetPolicy.targetPath, in: &metadata) else {
                throw TUFClientError.fetch(
                    address: FleetPolicy.targetPath,
                    reason: "the repository describes no policy"
                )
            }
            if let previous, file.hashes.match(previous.policy.bytes) {
                return FleetTrust(metadata: metadata, policy: previous.policy, time: time)
            }
            return FleetTrust(metadata: metadata, policy: try await policy(file), time: time)
        } catch {
            throw TrustProblem("nothing is trusted now: \(error)")
        }
    }

    /// The description of a file; nil where no role describes it.
    public func targetFile(_ path: String, in trust: inout FleetTrust) async throws(TrustProblem) -> TargetFile? {
        do throws(TUFClientError) {
            return try await client.targetFile(path, in: &trust.metadata)
        } catch {
            throw TrustProblem("cannot look up \(path): \(error)")
        }
    }

    /// The content of a small file; nil where no role describes it.
    ///
    /// `known` is what the caller has of it, and saves fetching it while it is the same.
    public func content(
        _ path: String,
        in trust: inout FleetTrust,
        limit: Int,
        known: [UInt8]?
    ) async throws(TrustProblem) -> (file: TargetFile, bytes: [UInt8])? {
        do throws(TUFClientError) {
            guard let file = try await client.targetFile(path, in: &trust.metadata) else { return nil }
            if let known, known.count == file.length, file.hashes.match(known) { return (file, known) }
            return (file, try await bytes(file, limit: limit))
        } catch {
            throw TrustProblem("cannot fetch \(path): \(error)")
        }
    }

    /// All releases that are trusted, with their descriptions; those that cannot be read are left out.
    public func releases(
        in trust: inout FleetTrust
    ) async throws(TrustProblem) -> [(file: TargetFile, release: ReleaseDescription)] {
        do throws(TUFClientError) {
            try await client.load("releases", "targets", &trust.metadata)
        } catch {
            throw TrustProblem("cannot look up the releases: \(error)")
        }
        return (trust.metadata.delegatedTargets("releases")?.files ?? []).compactMap { file in
            (try? ReleaseDescription(custom: file.custom)).map { (file, $0) }
        }
    }

    private func policy(_ file: TargetFile) async throws(TUFClientError) -> FleetPolicy {
        let bytes = try await bytes(file, limit: FleetPolicy.byteLimit)
        do throws(JSONError) {
            return try FleetPolicy(parsing: bytes)
        } catch {
            throw .fetch(address: file.path, reason: "the policy cannot be read: \(error)")
        }
    }

    /// Fetches a file whole and compares it with what was signed.
    private func bytes(_ file: TargetFile, limit: Int) async throws(TUFClientError) -> [UInt8] {
        guard let address = TargetPath.address(of: file, consistentSnapshot: true), file.length <= limit else {
            throw .fetch(address: file.path, reason: "it is longer than \(limit) bytes")
        }
        guard let bytes = try await targets.fetch(address, limit: Int(file.length)) else {
            throw .fetch(address: address, reason: "the repository does not have it")
        }
        guard bytes.count == file.length, file.hashes.match(bytes) else {
            throw .fetch(address: address, reason: "it is not the file that was signed")
        }
        return bytes
    }
}
