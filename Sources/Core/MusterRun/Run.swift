// The engine of runs: which nodes have their turn, what counts as an end, when everything stops.
//
// Parties: the service tells it what happened and does what it says; nobody else. Keys: none. Files: none; the service
// stores `json` and the nodes that changed.
import ByteCoding
import MusterModel

/// One run of a command on many nodes.
///
/// No I/O, no clock, no randomness: the same events at the same times give the same effects.
///
/// ```
/// var run = Run(id: statement.id, nodes: body.nodes, limits: limits, notBefore: body.notBefore, expires: statement.expires)
/// let step = run.apply([.approved], at: now)                 // in one transaction: run.json, step.nodes, the log
/// …
/// run.apply([.contact(node, at: now)], at: now)              // a node asks for work: it gets its turn when a place is free
/// run.apply([.handed(node)], at: now)                        // before a manifest with the run leaves for it
/// run.apply([.reported(node, .started)], at: now)
/// wake(at: run.nextDeadline)                                 // then apply([.tick], at: now)
/// ```
///
/// - A node gets the run only while it is in contact; one that is not waits, takes no place and holds up no batch.
/// - A node that was handed the run keeps its place until it says what came of it, or until it can no longer be running.
/// - What nobody knows is `lost`, and said so. What the node says later is taken down, however late.
///
/// What it promises, and `RunSimulationTests` checks after every event: never more nodes at work than the limits allow;
/// no node is assigned once the run is stopped or over; it ends; each node ends in one stated outcome.
public struct Run: Sendable {
    /// Most nodes of one run.
    public static let nodeLimit = 2000
    /// Longest reason kept, in bytes.
    public static let reasonLimit = 1024

    /// The run's id, that of its statement.
    public let id: StatementID
    /// How many nodes at once, and when to stop.
    public let limits: RunLimits
    /// Before this nothing begins; nil for at once.
    public let notBefore: UTCTime?
    /// When its statement ends: nothing begins from then on.
    public let expires: UTCTime

    /// What the run as a whole is doing.
    public internal(set) var phase = Phase.waiting
    /// What stopped it before all its nodes had their turn.
    public internal(set) var stop: Stop?
    /// What came of it, once it is over.
    public internal(set) var outcome: Outcome?
    /// Rises with every change of anything that is stored.
    public internal(set) var revision: Int64 = 1
    /// The nodes in the order of their turns.
    public internal(set) var nodes: [RunNode]
    /// All nodes by state.
    public internal(set) var counts = RunCounts()

    /// So many nodes from the first are in batches that have begun.
    var openCount: Int
    /// The latest time of any event: a clock that steps back moves no deadline.
    var clock = UTCTime(milliseconds: 0)

    // Derived, rebuilt when a run is read.
    private(set) var indices: [NodeID: Int] = [:]
    /// Nodes that are assigned or at work.
    var inFlight: Set<Int> = []
    /// No node before this one waits and is in contact.
    var cursor = 0
    /// When nodes at work are looked at next.
    var lookAgain = UTCTime(milliseconds: 0)

    // What the events being applied did.
    var effects: [RunEffect] = []
    var changed: Set<Int> = []
    var hasChanged = false

    /// A run that waits for approvals; `.approved` lets it go on.
    public init(id: StatementID, nodes: [NodeID], limits: RunLimits, notBefore: UTCTime?, expires: UTCTime) {
        self.init(
            id: id,
            limits: limits,
            notBefore: notBefore,
            expires: expires,
            nodes: nodes.map { RunNode(id: $0) }
        )
        openCount = limits.batch == 0 ? nodes.count : min(limits.batch, nodes.count)
    }

    init(id: StatementID, limits: RunLimits, notBefore: UTCTime?, expires: UTCTime, nodes: [RunNode]) {
        self.id = id
        self.limits = limits
        self.notBefore = notBefore
        self.expires = expires
        self.nodes = nodes
        openCount = nodes.count
        for (index, node) in nodes.enumerated() {
            indices[node.id] = index
            counts.add(1, in: node.state)
            if node.state.isInFlight { inFlight.insert(index) }
        }
    }

    /// Applies events in order, then lets nodes have their turns once; says what follows.
    public mutating func apply(_ events: [RunEvent], at time: UTCTime) -> RunStep {
        clock = max(clock, time)
        effects = []
        changed = []
        hasChanged = false
        pass()
        for event in events { handle(event) }
        drive()
        if hasChanged { revision += 1 }
        defer { effects = [] }
        return RunStep(
            effects: effects,
            nodes: changed.sorted().map { RunStep.Node(position: $0, node: nodes[$0]) },
            isChanged: hasChanged
        )
    }

    /// Notes that something was changed that is stored beside the run, such as its signatures.
    public mutating func noteChange() {
        revision += 1
    }

    /// A node's part; nil where the run does not name it.
    public func node(_ id: NodeID) -> RunNode? {
        indices[id].map { nodes[$0] }
    }

    /// A node's place in the run; nil where the run does not name it.
    public func position(of id: NodeID) -> Int? { indices[id] }

    /// Whether a process of it that still runs on a node shall be ended.
    public func shallEnd(on id: NodeID) -> Bool {
        guard stop?.endsProcesses == true, let node = node(id) else { return false }
        return !(node.state.isOver && node.isStated)
    }

    /// What a node's manifest has of this run; nil for nothing.
    public func work(of id: NodeID) -> Work? {
        guard limits.isByAgent, let index = indices[id], nodes[index].state.isInFlight else { return nil }
        guard let stop else { return phase == .running ? .run : nil }
        guard stop.endsProcesses, nodes[index].isHanded else { return nil }
        return .cancel
    }

    /// Whether `.contact` or `.handed` of a node would mean anything.
    public func needs(contactOf id: NodeID) -> Bool {
        guard limits.isByAgent, phase == .running || phase == .stopping, let index = indices[id] else { return false }
        return nodes[index].state == .waiting || nodes[index].state == .assigned
    }

    private mutating func handle(_ event: RunEvent) {
        switch event {
        case .approved: approve()
        case .contact(let node, let time): if let index = indices[node] { contact(index, at: time) }
        case .handed(let node): if let index = indices[node] { hand(index) }
        case .told(let node): if let index = indices[node] { tell(index) }
        case .reported(let node, let report): if let index = indices[node] { take(report, of: index) }
        case .removed(let node, let reason): if let index = indices[node] { remove(index, Self.clip(reason)) }
        case .cancel(let reason, let by): cease(.cancelled(reason: Self.clip(reason), by: by))
        case .deny(let reason, let by): deny(Self.clip(reason), by)
        case .tick: break
        }
        pass()
    }

    /// Moves a node on, and notes that it did.
    mutating func set(_ index: Int, _ state: RunNode.State, _ reason: String = "", isStated: Bool = false) {
        counts.add(-1, in: nodes[index].state)
        counts.add(1, in: state)
        nodes[index].state = state
        nodes[index].since = clock
        nodes[index].reason = Self.clip(reason)
        nodes[index].isStated = isStated
        if state.isInFlight { inFlight.insert(index) } else { inFlight.remove(index) }
        changed.insert(index)
        hasChanged = true
    }

    /// The reason, cut to what is kept.
    static func clip(_ reason: String) -> String { reason.bounded(reasonLimit) }
}
