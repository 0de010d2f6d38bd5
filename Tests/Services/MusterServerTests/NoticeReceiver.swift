import CanonicalJSON
import MusterTestSupport
import Synchronization

/// A webhook's receiver that can be told how to behave.
final class NoticeReceiver: Sendable {
    private struct State {
        var status = 200
        var hangs = false
        var requests: [LoopbackServer.Request] = []
    }

    private let state = Mutex(State())

    /// Everything that came, taken or not.
    var requests: [LoopbackServer.Request] { state.withLock { $0.requests } }

    /// The documents that came, in order.
    var notices: [JSONValue] { requests.compactMap { try? JSONValue.parse($0.body, limit: 1 << 20) } }

    /// Answers with this status from now on.
    func answers(_ status: Int) { state.withLock { $0.status = status } }

    /// Answers nothing from now on, or again.
    func hangs(_ hangs: Bool) { state.withLock { $0.hangs = hangs } }

    @Sendable func answer(_ request: LoopbackServer.Request) async -> LoopbackServer.Reply {
        let (status, hangs) = state.withLock { state in
            state.requests.append(request)
            return (state.status, state.hangs)
        }
        if hangs { try? await Task.sleep(for: .seconds(300)) }
        return LoopbackServer.Reply(status)
    }
}

/// Waits until something is so; false where it does not come to that.
func eventually(within seconds: Int = 60, _ isSo: () async throws -> Bool) async rethrows -> Bool {
    for _ in 0..<(seconds * 20) {
        if try await isSo() { return true }
        try? await Task.sleep(for: .milliseconds(50))
    }
    return try await isSo()
}
