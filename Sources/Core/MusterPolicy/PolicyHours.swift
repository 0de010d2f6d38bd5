import ByteCoding
import MusterModel

/// When policy lets something be done that it allows but for the hour: the windows of the rules that fit, less the freezes.
public struct PolicyHours: Hashable, Sendable {
    /// What they are called: the same for everything that the same rules and freezes are for.
    public let name: String
    /// One of these must be open; nil where a rule allows it at every hour.
    public let windows: [TimeWindow]?
    /// None of these may be active.
    public let freezes: [PolicyFreeze]

    /// Openings that are looked for one after the other before it counts as never open.
    private static let roundLimit = 200

    /// Whether nothing ever closes them.
    public var isAlways: Bool { windows == nil && freezes.isEmpty }

    /// What they say at `time`, until when, and why.
    public func slot(at time: UTCTime) -> Slot {
        let freeze = freezes.longest(at: time)
        guard freeze != nil || windows?.isOpen(at: time) == false else { return .open(until: closes(from: time)) }
        let next = opens(from: time)
        return .closed(until: next, reason: freeze?.text ?? closing(until: next))
    }

    private func closing(until next: UTCTime?) -> String {
        let text = (windows ?? []).map(\.text).joined(separator: ", ")
        return next.map { "outside its hours (\(text)): they open at \($0)" } ?? "its hours (\(text)) never open"
    }

    /// The first moment from `time` on at which a window is open and no freeze active.
    private func opens(from time: UTCTime) -> UTCTime? {
        var moment = time
        for _ in 0..<Self.roundLimit {
            if let freeze = freezes.first(where: { $0.isActive(at: moment) }) {
                moment = freeze.until
            } else if let windows, !windows.isOpen(at: moment) {
                guard let next = windows.opens(from: moment) else { return nil }
                moment = next
            } else {
                return moment
            }
        }
        return nil
    }

    private func closes(from time: UTCTime) -> UTCTime? {
        let freeze = freezes.map(\.from).filter { $0 > time }.min()
        let window = windows?.closes(from: time)
        return [freeze, window].compactMap(\.self).min()
    }
}

extension FleetPolicy {
    /// Whether a decision minds the hour.
    public enum HourCounting: Hashable, Sendable {
        /// Windows and freezes count as they are at the time of the decision.
        case judged
        /// What would be said at an hour at which every window is open and nothing frozen.
        case ignored
    }

    /// When policy lets this be done; nil where it does not at any hour.
    ///
    /// Rules whose approvals are there count before those that lack some: while none has them, all that fit otherwise do.
    public func hours(for request: PolicyRequest) -> PolicyHours? {
        let fitting = rules.filter {
            $0.allow.contains(request.action) && obstacle(in: $0, to: request, at: nil) == nil
        }
        guard !fitting.isEmpty else { return nil }
        let approved = fitting.filter { shortage($0, request) == nil }
        let rules = approved.isEmpty ? fitting : approved
        let freezes = freezes.filter { $0.binds(request) }
        let isUnbound = urgency.ignoresWindows(request) || rules.contains { $0.windows == nil }
        let windows = isUnbound ? nil : rules.flatMap { $0.windows ?? [] }
        let names = (isUnbound ? [] : rules.map { "rule '\($0.name)'" }) + freezes.map { "freeze '\($0.name)'" }
        return PolicyHours(
            name: names.isEmpty ? "always" : names.joined(separator: ", "),
            windows: windows,
            freezes: freezes
        )
    }

    /// What freezes what is asked at `time`, until when that lasts; nil where nothing does.
    func freeze(_ request: PolicyRequest, at time: UTCTime) -> PolicyReason? {
        let binding = freezes.filter { $0.binds(request) }
        guard let active = binding.longest(at: time) else { return nil }
        let hours = PolicyHours(name: "", windows: nil, freezes: binding)
        return PolicyReason(.frozen, active.text, opens: hours.slot(at: time).until)
    }
}

extension [PolicyFreeze] {
    /// Of those that are active, the one that lasts longest.
    fileprivate func longest(at time: UTCTime) -> PolicyFreeze? {
        filter { $0.isActive(at: time) }.max { $0.until < $1.until }
    }
}
