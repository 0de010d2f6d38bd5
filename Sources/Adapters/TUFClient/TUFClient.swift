import ByteCoding
import MusterSystem
import TUF
import TUFTrust

/// The client workflow of TUF (specification 1.0.34, section 5): fetches metadata, has it verified, stores it.
///
/// What is trusted is a value that the caller keeps for as long as one update lasts; the client itself keeps nothing.
/// Stored metadata is a cache: expired, outdated or damaged files are replaced by fetching, and never stop a refresh.
public struct TUFClient: Sendable {
    private let directory: MetadataDirectory
    private let fetcher: any TUFFetcher
    private let limits: TUFLimits
    private let pinnedRoot: [UInt8]?

    /// A client of the repository behind `fetcher`.
    ///
    /// `pinnedRoot` is a root to start again from where the stored one is missing or damaged.
    public init(
        directory: MetadataDirectory,
        fetcher: any TUFFetcher,
        pinnedRoot: [UInt8]? = nil,
        limits: TUFLimits = TUFLimits()
    ) {
        self.directory = directory
        self.fetcher = fetcher
        self.limits = limits
        self.pinnedRoot = pinnedRoot
    }

    /// Makes `root` the trusted root of the folder, once it is seen to be root metadata signed by its own keys.
    public func initialize(root: [UInt8], at time: UTCTime) throws(TUFClientError) {
        _ = try trusting { () throws(TUFTrustError) in
            try TrustedMetadata(trustedRoot: root, time: time, limits: limits)
        }
        try directory.write(root, "root")
    }

    /// Brings all top-level metadata up to date.
    public func refresh(at time: UTCTime) async throws(TUFClientError) -> TrustedMetadata {
        var trusted = try storedRoot(at: time)
        try await refreshRoot(&trusted)
        try await refreshTimestamp(&trusted)
        try await refreshSnapshot(&trusted)
        try await refreshTargets(&trusted)
        return trusted
    }

    /// The stored top-level metadata, without asking the repository; an error unless all of it is current.
    public func stored(at time: UTCTime) throws(TUFClientError) -> TrustedMetadata {
        var trusted = try storedRoot(at: time)
        try trusting { () throws(TUFTrustError) in
            _ = try trusted.updateTimestamp(directory.read("timestamp") ?? [], from: .cache)
            _ = try trusted.updateSnapshot(directory.read("snapshot") ?? [], from: .cache)
            try trusted.updateTargets(directory.read("targets") ?? [])
        }
        return trusted
    }

    /// The description of a file, loading delegated roles as far as it takes; nil where no role describes it.
    public func targetFile(
        _ path: String,
        in trusted: inout TrustedMetadata
    ) async throws(TUFClientError) -> TargetFile? {
        var search = TargetSearch(path)
        while true {
            switch try trusting({ () throws(TUFTrustError) in try search.next(&trusted) }) {
            case .found(let file, _): return file
            case .notFound: return nil
            case .load(let role, let delegator): try await load(role, delegator, &trusted)
            }
        }
    }

    /// As `targetFile`, with stored metadata only.
    public func storedTargetFile(
        _ path: String,
        in trusted: inout TrustedMetadata
    ) throws(TUFClientError) -> TargetFile? {
        var search = TargetSearch(path)
        while true {
            switch try trusting({ () throws(TUFTrustError) in try search.next(&trusted) }) {
            case .found(let file, _): return file
            case .notFound: return nil
            case .load(let role, let delegator):
                try trusting { () throws(TUFTrustError) in
                    try trusted.updateDelegatedTargets(
                        directory.read(role) ?? [],
                        role: role,
                        delegator: delegator
                    )
                }
            }
        }
    }

    /// Loads the metadata of a delegated role, on the word of `delegator`, which must be loaded.
    public func load(
        _ role: String,
        _ delegator: String,
        _ trusted: inout TrustedMetadata
    ) async throws(TUFClientError) {
        if let stored = directory.read(role),
            (try? trusted.updateDelegatedTargets(stored, role: role, delegator: delegator)) != nil
        {
            return
        }
        let (version, limit) = try trusting { () throws(TUFTrustError) in try trusted.targetsToFetch(role) }
        let bytes = try await fetch(role, version: version, limit: limit, trusted)
        try trusting { () throws(TUFTrustError) in
            try trusted.updateDelegatedTargets(bytes, role: role, delegator: delegator)
        }
        try directory.write(bytes, role)
    }
}

extension TUFClient {
    /// The root that everything starts from: the stored one, or the pinned one where that is of no use.
    private func storedRoot(at time: UTCTime) throws(TUFClientError) -> TrustedMetadata {
        var failure = TUFClientError.noTrustedRoot(folder: directory.path)
        for bytes in [directory.read("root"), pinnedRoot] {
            guard let bytes else { continue }
            do throws(TUFTrustError) {
                return try TrustedMetadata(trustedRoot: bytes, time: time, limits: limits)
            } catch {
                failure = .trust(error)
            }
        }
        throw failure
    }

    /// Follows the chain of roots, one version at a time, storing each.
    private func refreshRoot(_ trusted: inout TrustedMetadata) async throws(TUFClientError) {
        for _ in 0..<limits.rootRotations {
            guard trusted.root.version < .max,
                let bytes = try await fetcher.fetch("\(trusted.root.version + 1).root.json", limit: limits.root)
            else { break }
            try trusting { () throws(TUFTrustError) in try trusted.updateRoot(bytes) }
            // Before the root is stored: killed in between, the next refresh comes here again.
            if trusted.freshnessKeysRotated {
                try directory.remove("timestamp")
                try directory.remove("snapshot")
            }
            try directory.write(bytes, "root")
        }
        try trusting { () throws(TUFTrustError) in try trusted.checkRootExpiry() }
    }

    private func refreshTimestamp(_ trusted: inout TrustedMetadata) async throws(TUFClientError) {
        if let stored = directory.read("timestamp") { _ = try? trusted.updateTimestamp(stored, from: .cache) }
        guard let bytes = try await fetcher.fetch("timestamp.json", limit: limits.timestamp) else {
            throw .fetch(address: "timestamp.json", reason: "the repository does not have it")
        }
        let outcome = try trusting { () throws(TUFTrustError) in try trusted.updateTimestamp(bytes) }
        if outcome == .accepted { try directory.write(bytes, "timestamp") }
    }

    private func refreshSnapshot(_ trusted: inout TrustedMetadata) async throws(TUFClientError) {
        if let stored = directory.read("snapshot"),
            (try? trusted.updateSnapshot(stored, from: .cache)) == .accepted
        {
            return
        }
        let (version, limit) = try trusting { () throws(TUFTrustError) in try trusted.snapshotToFetch() }
        let bytes = try await fetch("snapshot", version: version, limit: limit, trusted)
        _ = try trusting { () throws(TUFTrustError) in try trusted.updateSnapshot(bytes) }
        try directory.write(bytes, "snapshot")
    }

    private func refreshTargets(_ trusted: inout TrustedMetadata) async throws(TUFClientError) {
        if let stored = directory.read("targets"), (try? trusted.updateTargets(stored)) != nil { return }
        let (version, limit) = try trusting { () throws(TUFTrustError) in try trusted.targetsToFetch() }
        let bytes = try await fetch("targets", version: version, limit: limit, trusted)
        try trusting { () throws(TUFTrustError) in try trusted.updateTargets(bytes) }
        try directory.write(bytes, "targets")
    }

    private func fetch(
        _ role: String,
        version: Int64,
        limit: Int,
        _ trusted: TrustedMetadata
    ) async throws(TUFClientError) -> [UInt8] {
        let name = TargetPath.percentEncoded(role) + ".json"
        let address = trusted.root.consistentSnapshot ? "\(version).\(name)" : name
        guard let bytes = try await fetcher.fetch(address, limit: limit) else {
            throw .fetch(address: address, reason: "the repository does not have it")
        }
        return bytes
    }
}
