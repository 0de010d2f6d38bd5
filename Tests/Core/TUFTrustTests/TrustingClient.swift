import ByteCoding
import MusterTestSupport
import TUF
import TUFTrust

/// What a client does with a simulated repository, without I/O: it follows the chain from the first root.
struct TrustingClient {
    let repository: RepositorySimulator
    var trusted: TrustedMetadata

    init(_ repository: RepositorySimulator, at time: UTCTime = RepositorySimulator.day, root: [UInt8]? = nil) throws {
        self.repository = repository
        trusted = try TrustedMetadata(trustedRoot: root ?? repository.firstRoot, time: time)
    }

    /// Follows the roots, then takes timestamp, snapshot and targets; `cache` holds what an earlier refresh stored.
    mutating func refresh(cache: Self? = nil) throws {
        while let root = repository.files["metadata/\(trusted.root.version + 1).root.json"] {
            try trusted.updateRoot(root)
        }
        try trusted.checkRootExpiry()
        if let cache, !trusted.freshnessKeysRotated {
            _ = try? trusted.updateTimestamp(cache.repository.current("timestamp"), from: .cache)
        }
        _ = try trusted.updateTimestamp(repository.current("timestamp"))
        if let cache, !trusted.freshnessKeysRotated {
            _ = try? trusted.updateSnapshot(cache.repository.current("snapshot"), from: .cache)
        }
        _ = try trusted.updateSnapshot(file("snapshot", try trusted.snapshotToFetch().version))
        try trusted.updateTargets(file("targets", try trusted.targetsToFetch().version))
    }

    /// A client that has refreshed.
    static func refreshed(
        _ repository: RepositorySimulator,
        at time: UTCTime = RepositorySimulator.day,
        cache: Self? = nil,
        root: [UInt8]? = nil
    ) throws -> TrustingClient {
        var client = try TrustingClient(repository, at: time, root: root)
        try client.refresh(cache: cache)
        return client
    }

    /// Looks a file up, loading what it takes; also the roles that were visited, in order.
    mutating func find(_ path: String) throws -> (file: TargetFile?, loaded: [String]) {
        var search = TargetSearch(path)
        var loaded: [String] = []
        while true {
            switch try search.next(&trusted) {
            case .found(let file, _): return (file, loaded)
            case .notFound: return (nil, loaded)
            case .load(let role, let delegator):
                loaded.append(role)
                let bytes = file(role, try trusted.targetsToFetch(role).version)
                try trusted.updateDelegatedTargets(bytes, role: role, delegator: delegator)
            }
        }
    }

    private func file(_ role: String, _ version: Int64) -> [UInt8] {
        repository.files["metadata/\(version).\(TargetPath.percentEncoded(role)).json"] ?? []
    }
}

extension TUFTrustError {
    /// An error to compare with, by its code.
    static func of(_ code: Code) -> TUFTrustError { TUFTrustError(code, "") }
}
