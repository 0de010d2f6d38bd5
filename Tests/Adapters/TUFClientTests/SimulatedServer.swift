import MusterTestSupport
import Synchronization
import TUFClient
import TUFTrust

/// A simulated repository that a client fetches from, and what it was asked for.
final class SimulatedServer: TUFFetcher, TUFTargetSource {
    private struct State {
        var repository: RepositorySimulator
        var requests: [String] = []
    }

    private let state: Mutex<State>

    init(_ repository: RepositorySimulator) {
        state = Mutex(State(repository: repository))
    }

    var repository: RepositorySimulator { state.withLock { $0.repository } }

    /// Everything asked for since it was last asked this.
    func requests() -> [String] {
        state.withLock { state in
            defer { state.requests = [] }
            return state.requests
        }
    }

    func change(_ body: (inout RepositorySimulator) throws -> Void) throws {
        var repository = repository
        try body(&repository)
        state.withLock { $0.repository = repository }
    }

    func file(_ path: String) -> [UInt8]? {
        state.withLock { state in
            state.requests.append(path)
            return state.repository.files[path]
        }
    }

    func fetch(_ path: String, limit: Int) async throws(TUFClientError) -> [UInt8]? {
        guard let bytes = file("metadata/" + path) else { return nil }
        guard bytes.count <= limit else { throw .fetch(address: path, reason: "too long") }
        return bytes
    }

    func stream(
        _ path: String,
        limit: Int64,
        receive: (UnsafeRawBufferPointer) throws(TUFClientError) -> Void
    ) async throws(TUFClientError) {
        guard let bytes = file("targets/" + path) else { throw .fetch(address: path, reason: "missing") }
        for byte in bytes {
            var failure: TUFClientError?
            withUnsafeBytes(of: byte) { piece in
                do throws(TUFClientError) { try receive(piece) } catch { failure = error }
            }
            if let failure { throw failure }
        }
    }
}

/// A client with its folder, and the server it talks to.
struct ClientFixture {
    let server: SimulatedServer
    let folder: TemporaryFolder
    let client: TUFClient

    init(
        _ repository: RepositorySimulator? = nil,
        pinned: Bool = false,
        rootRotations: Int = 256
    ) throws {
        let repository = try repository ?? RepositorySimulator()
        server = SimulatedServer(repository)
        folder = try TemporaryFolder()
        var limits = TUFLimits()
        limits.rootRotations = rootRotations
        client = TUFClient(
            directory: MetadataDirectory(folder.path),
            fetcher: server,
            pinnedRoot: pinned ? repository.firstRoot : nil,
            limits: limits
        )
        try client.initialize(root: repository.firstRoot, at: RepositorySimulator.day)
    }

    /// Whether the stored metadata of `role` is what the repository now serves.
    func isCurrent(_ role: String) throws -> Bool {
        try folder.read(role + ".json") == server.repository.current(role)
    }
}
