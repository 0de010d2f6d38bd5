import ByteCoding
import MusterModel

/// One rollout: which nodes have their turn, when the next stage opens, when everything stops.
///
/// No I/O, no clock, no randomness: the same events at the same times give the same effects, wherever and however
/// often they are applied.
///
/// How the service uses it:
///
/// ```
/// var rollout = Rollout(id: statement.id, version: body.version, strategy: body.strategy,
///                       expires: statement.expires, isApproved: decision.isAllowed)
/// var effects = rollout.apply(.nodesSelected(facts), at: now)        // in one transaction: state, effects, events
/// …
/// effects = rollout.apply(.reported(node, progress), at: now)        // a report; `.seen(node)` for any other contact
/// store(rollout.takeChanges()); for effect in effects { … }          // `.assign(node)`: new manifest, wake the poll
/// wake(at: rollout.nextDeadline(after: now))                         // then apply(.tick, at: now)
/// ```
///
/// - What a manifest carries is `isAssigned(node)`; `.assign` and `.withdraw` say when that changed.
/// - `.seen(node)` is applied in the transaction that hands a manifest to the node, so that a node that was never seen
///   since it was assigned is known not to hold the assignment; one that was handed it and is silent since keeps its place
///   in flight until no such manifest is good any more. `needs(seen:)` spares the transactions that change nothing.
/// - What policy says of hours is told by `.slots`, under names that facts refer to, for all nodes at once; `staleHours`
///   says of which it has to be told again. What it limits in the whole fleet is told by `.fleetLimits`.
/// - `revision` rises with every change; state is stored only when it did, and long polls wait for it.
///
/// What it promises, and `RolloutSimulationTests` checks after every event: never more nodes in flight than the strategy
/// allows, and by tag than strategy and policy allow; nothing is assigned outside its hours; no group has its turn before
/// those before it are done; never more nodes tried than the open stage allows, and no stage opens before the one before it is complete and
/// baked; nothing is assigned while it waits for approval, is halted or is over; more failures than allowed halt it before
/// anything else is assigned; it ends, at the latest when its statement expires.
public struct Rollout: Sendable {
    /// Most nodes of one rollout; more are not taken.
    public static let nodeLimit = 1_000_000
    /// Longest reason kept, in bytes.
    public static let reasonLimit = 1024
    /// Longest name of hours, in bytes.
    public static let hoursLimit = 262_144

    /// The rollout's id, that of its statement.
    public let id: RolloutID
    /// The version that the nodes shall have.
    public let version: String
    /// How it spreads.
    public let strategy: RolloutStrategy
    /// When its statement, and with it the rollout, ends.
    public let expires: UTCTime

    /// What the rollout as a whole is doing.
    public internal(set) var phase: Phase
    /// Whether it has the approvals that it needs.
    public internal(set) var isApproved: Bool
    /// Rises with every change of anything here.
    public internal(set) var revision: Int64 = 1
    /// The nodes, in the order of their turns.
    public internal(set) var nodes = RolloutNodes()
    /// All nodes by state.
    public internal(set) var counts = StateCounts()
    /// How many nodes were ever counted as failed.
    public internal(set) var failures = 0

    /// Failures that an operator forgave by resuming.
    var forgiven = 0
    /// Whether nodes were ever selected.
    var isPlanned = false
    /// How many nodes may have been tried when a stage is complete, for each stage that opened; the last one is the open one.
    var openStages: [Int] = []
    /// When the complete stage may be followed by the next one.
    var bakesUntil: UTCTime?
    /// The last group that has its turn, counted from 0.
    var openGroup = 0
    /// Whether the nodes are in the order of their turns.
    var isSorted = true
    /// Whether stages follow each other without the time to bake.
    var skipsBake = false
    /// Whether it was said that only skipped nodes remain.
    var saidOnlySkipped = false
    /// Why it was last said to be holding; empty where something was assigned since.
    var saidHold = ""
    /// Every cohort that any node was ever in.
    var cohorts = [Cohort.plain]
    /// What the hours of each name say.
    var slots: [String: Slot] = [:]
    /// What policy limits in the whole fleet.
    var fleetLimits: [Tag: FleetLimit] = [:]
    /// The nodes whose figures are those of nodes not yet upgraded.
    var panel = 0..<0
    /// The latest time of any event: a clock that steps back does not move deadlines.
    var clock = UTCTime(milliseconds: 0)

    // Derived from the above, rebuilt when a rollout is read.
    var indices: [NodeID: Int] = [:]
    var stageCounts: [StateCounts] = []
    var cohortIndices = [Cohort.plain: 0]
    var cohortStates = [CohortState()]
    /// Nodes in flight.
    var inFlight: Set<Int> = []
    /// Nodes that keep their place although they are lost.
    var kept: Set<Int> = []
    /// Nodes with a limited tag that may be changing, by tag.
    var tagged: [Tag: Int] = [:]
    /// How many nodes this rollout brought to the version.
    var upgraded = 0
    /// The nodes whose figures are those of upgraded ones.
    var sample: [Int] = []
    var startDeadlines = DeadlineQueue()
    var finishDeadlines = DeadlineQueue()
    var silentDeadlines = DeadlineQueue()

    // What the event being applied did.
    var effects: [RolloutEffect] = []
    var hasChanged = false
    /// How many nodes the event being applied has looked at, for those who measure it.
    var visits = 0

    /// A rollout that has not begun.
    ///
    /// `isApproved` is false where the policy asks for approvals that are missing.
    public init(id: RolloutID, version: String, strategy: RolloutStrategy, expires: UTCTime, isApproved: Bool) {
        self.id = id
        self.version = version
        self.strategy = strategy
        self.expires = expires
        self.isApproved = isApproved
        phase = isApproved ? .running : .awaitingApproval
    }

    /// Applies one event and says what follows from it.
    public mutating func apply(_ event: RolloutEvent, at time: UTCTime) -> [RolloutEffect] {
        clock = max(clock, time)
        effects = []
        hasChanged = false
        visits = 0
        expireIfDue()
        handle(event)
        passDeadlines()
        drive()
        contactAgain(event)
        if hasChanged { revision += 1 }
        defer { effects = [] }
        return effects
    }

    /// Whether the node's manifest carries this rollout's assignment.
    public func isAssigned(_ node: NodeID) -> Bool {
        guard let index = indices[node] else { return false }
        return nodes[index].state.isAssigned
    }

    /// A node's part, or nil where the rollout does not know it.
    public func node(_ node: NodeID) -> RolloutNode? {
        indices[node].map { nodes[$0] }
    }

    /// Keeps the version that a node has, which was just assigned.
    public mutating func remember(_ version: String, on node: NodeID) {
        guard let index = indices[node] else { return }
        nodes[index].before = version
    }

    /// Whether `.seen(node)` would change anything.
    public func needs(seen node: NodeID) -> Bool {
        guard phase.isOpen, let index = indices[node] else { return false }
        switch nodes[index].state {
        case .skipped: return nodes[index].obstacle == nil
        case .withdrawn: return phase == .running && mayGoOn(index)
        default: return nodes[index].state.isAssigned && !nodes[index].hasAnswered
        }
    }

    /// When `.tick` is to be applied next, never before `time`; nil once the rollout is over.
    public func nextDeadline(after time: UTCTime) -> UTCTime? {
        guard phase.isOpen else { return nil }
        var next = expires
        if phase == .running, counts.inFlight == 0, let bakesUntil { next = min(next, bakesUntil) }
        if let first = startDeadlines.first { next = min(next, startDeadline(first.since)) }
        if phase == .running, let first = silentDeadlines.first { next = min(next, silentDeadline(first.since)) }
        if let first = finishDeadlines.first { next = min(next, finishDeadline(first.since)) }
        for slot in slots.values { if let until = slot.until, until > clock { next = min(next, until) } }
        return max(next, time)
    }

    private mutating func handle(_ event: RolloutEvent) {
        switch event {
        case .approved: approve()
        case .nodesSelected(let facts): select(facts)
        case .nodeRemoved(let node, let reason): remove(node, Self.clip(reason))
        case .reported(let node, let progress): report(node, progress)
        case .seen(let node): see(node)
        case .silent(let node, let since): lose(node, since)
        case .measured(let node, let values): measure(node, values)
        case .slots(let slots): take(slots)
        case .fleetLimits(let limits): take(limits)
        case .urgency(let skipsBake): take(skipsBake: skipsBake)
        case .tick: break
        case .halt(let reason, let by): halt(Self.clip(reason), by: by)
        case .resume(let by): resume(by)
        case .cancel(let reason, let by): cancel(Self.clip(reason), by)
        }
    }

    /// The reason, cut to what is kept.
    static func clip(_ reason: String) -> String { reason.bounded(reasonLimit) }
}
