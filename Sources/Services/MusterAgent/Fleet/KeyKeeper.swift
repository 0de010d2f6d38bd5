import ByteCoding
import Logging
import MusterAPI
import MusterIdentity
import MusterSystem

/// Replaces the node's key at the service.
public protocol KeyReplacing: Sendable {
    /// Brings a new key into use; once this returns, it is the only one.
    ///
    /// May be given up or killed anywhere: one of the keys on the disk is always accepted, and doing it again goes on where it
    /// ended.
    func replaceKey() async throws(FleetServiceError)
}

/// Follows what the service says of the node's key, and has it replaced behind the scenes.
public actor KeyKeeper {
    private let state: NodeState
    private let service: any KeyReplacing
    private let clock: AgentClock
    private let logger: Logger
    private var isDue = false
    private var isExtended = false
    private var earliest: Int64 = 0

    /// Milliseconds between two replacements, however often a service asks for one.
    private static let pause: Int64 = 3_600_000
    /// Milliseconds after which one that failed is tried again, and while the node is only let in for half an hour.
    private static let retry: Int64 = 300_000
    private static let urgentRetry: Int64 = 10_000

    /// A keeper for the node with that state.
    public init(state: NodeState, service: any KeyReplacing, clock: AgentClock, logger: Logger) {
        self.state = state
        self.service = service
        self.clock = clock
        self.logger = logger
    }

    /// Takes what the answer to a report says.
    func take(_ reply: ReportReply) async {
        let before = await state.memory.key
        await remember { memory in
            memory.key = reply.key
            memory.removal = ""
        }
        guard let key = reply.key else {
            isDue = false
            return
        }
        isDue = NodeKeyring.isDue(state: key.state, rotateAfter: key.rotateAfter, serviceTime: reply.time)
        let wasExtended = isExtended
        isExtended = key.state == NodeKeyLife.State.extended.rawValue
        if isExtended, !wasExtended { earliest = 0 }
        guard before?.state != key.state else { return }
        if let trouble = await state.memory.keyTrouble {
            logger.warning("\(trouble)")
        } else if before?.keepsFromWork == true {
            logger.notice("this node's key is good again")
        }
    }

    /// Takes that the service knows this node no more.
    func take(removal reason: String) async {
        if await state.memory.removal != reason { logger.error("\(reason)") }
        await remember { $0.removal = reason.bounded(2048) }
    }

    /// Replaces the key where the service asks for it; a failure is for the log, and tried again later.
    func turn() async {
        guard isDue, clock.monotonic() >= earliest else { return }
        do {
            try await service.replaceKey()
            isDue = false
            earliest = clock.monotonic() + Self.pause
            logger.notice("the node key was replaced by a new one")
        } catch {
            earliest = clock.monotonic() + (isExtended ? Self.urgentRetry : Self.retry)
            logger.warning("the node key could not be replaced yet: \(error)")
        }
    }

    private func remember(_ body: @Sendable (inout NodeMemory) -> Void) async {
        do {
            try await state.change(body)
        } catch {
            logger.error("\(error)")
        }
    }
}

extension NodeKeyNotice {
    /// Whether the service gives the node no work because of its key.
    var keepsFromWork: Bool { state == NodeKeyLife.State.expired.rawValue }
}
