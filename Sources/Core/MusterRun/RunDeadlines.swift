import ByteCoding
import MusterModel

/// What follows from time alone.
extension Run {
    /// Seconds for which a manifest that was handed out may still be acted on, with some for the clocks.
    static let manifestSeconds = UpdateManifest.lifetime + 60
    /// Seconds that a process may take to die after its timeout, with some for the way here.
    static let graceSeconds: Int64 = 60
    /// Seconds without a word about a process that must have ended.
    static let silenceSeconds: Int64 = 180
    /// Seconds after a manifest without the run in which a node would have said that it had begun.
    static let answerSeconds: Int64 = 60
    /// How often nodes at work are looked at, in seconds.
    static let paceSeconds: Int64 = 5

    /// When `.tick` is to be applied next; nil once the run is over.
    public var nextDeadline: UTCTime? {
        switch phase {
        case .ended: nil
        case .waiting: expires
        case .scheduled: min(notBefore ?? clock, expires)
        case .running: inFlight.isEmpty ? expires : min(expires, clock.adding(seconds: Self.paceSeconds))
        case .stopping: clock.adding(seconds: Self.paceSeconds)
        }
    }

    /// Goes on after a restart: what is not stored is taken for the worst, and everybody has time anew to be heard.
    public mutating func resume(at time: UTCTime) {
        clock = max(clock, time)
        cursor = 0
        for index in nodes.indices {
            let isInFlight = nodes[index].state.isInFlight
            nodes[index].isHanded = isInFlight
            nodes[index].told = nil
            nodes[index].said = isInFlight ? clock : nil
            nodes[index].contact = isInFlight ? clock : nil
        }
    }

    /// Nodes at work are looked at once a second at most: there may be as many events as nodes.
    mutating func pass() {
        if phase != .ended, stop == nil, clock >= expires { cease(.expired(reason: reasonOfExpiry)) }
        guard clock >= lookAgain else { return }
        lookAgain = clock.adding(seconds: 1)
        for index in inFlight.sorted() {
            if nodes[index].state == .started { passStarted(index) } else { passAssigned(index) }
        }
    }

    private var reasonOfExpiry: String {
        switch phase {
        case .waiting: "the statement expired at \(expires) before it was approved"
        case .scheduled: "the statement expired at \(expires) before its time came"
        default: "the statement expired at \(expires) before the node began"
        }
    }

    private mutating func passStarted(_ index: Int) {
        let node = nodes[index]
        let end = (node.started ?? node.since).adding(seconds: limits.timeoutSeconds + Self.graceSeconds)
        let silence = (node.said ?? node.since).adding(seconds: Self.silenceSeconds)
        guard clock >= max(end, silence) else { return }
        conclude(index, .lost, "it began, must have ended by now, and has not said how")
    }

    private mutating func passAssigned(_ index: Int) {
        let node = nodes[index]
        let contact = node.contact ?? node.since
        guard node.isHanded else {
            guard contact.adding(seconds: Self.contactSeconds) <= clock else { return }
            set(index, .waiting)
            effects.append(.withdrawn(node.id))
            return
        }
        if let stop, let told = node.told, told.adding(seconds: Self.answerSeconds) <= clock {
            return conclude(index, stop.stateOfUnheard, stop.reason + "; as far as is known it had not begun")
        }
        let silence = Self.manifestSeconds + limits.timeoutSeconds + Self.graceSeconds
        guard contact.adding(seconds: silence) <= clock else { return }
        conclude(index, .lost, "it was given the run and was not in contact since: it may have run")
    }
}
