import ByteCoding
import CanonicalJSON
import MusterModel

/// A rollout that people should hear of: one that stopped, one that nobody ended, or the beginning of a security release.
///
/// A routine release that goes its way is told nobody.
public struct RolloutNotice: Hashable, Sendable {
    /// What became of it.
    public enum Event: String, Hashable, Sendable, CaseIterable {
        /// A security release begins to spread, or waits for who approves it.
        case started
        /// No node begins any more until somebody lets it go on.
        case halted
        /// Its statement expired before every node had the version.
        case expired
    }

    /// What became of it.
    public let event: Event
    /// The rollout.
    public let rollout: RolloutID
    /// The package.
    public let package: String
    /// The version.
    public let version: String
    /// Whether the release closes a security hole.
    public let isSecurity: Bool
    /// Why, or what it waits for, one clause; may be empty.
    public let reason: String
    /// Who halted it; nil where it happened by itself.
    public let by: OperatorName?
    /// When it happened.
    public let time: UTCTime

    /// A notice of these parts.
    public init(
        event: Event,
        rollout: RolloutID,
        package: String,
        version: String,
        isSecurity: Bool,
        reason: String,
        by: OperatorName? = nil,
        time: UTCTime
    ) {
        self.event = event
        self.rollout = rollout
        self.package = package
        self.version = version
        self.isSecurity = isSecurity
        self.reason = reason
        self.by = by
        self.time = time
    }

    /// Louder where somebody has to do something.
    public var level: NoticeLevel {
        switch event {
        case .started: reason.isEmpty ? .notice : .warning
        case .halted: by == nil ? .urgent : .warning
        case .expired: isSecurity ? .urgent : .warning
        }
    }

    /// `rollout 1234abcd of hello 2.0 halted: 1 node failed, 0 allowed`.
    public var text: String {
        let (package, version, reason) = (OneLine.text(package), OneLine.text(version), OneLine.text(reason))
        let what = "\(isSecurity ? "security release" : "rollout \(shortID) of") \(package) \(version)"
        let why = reason.isEmpty ? "" : ": \(reason)"
        return switch event {
        case .started: reason.isEmpty ? "\(what) is rolling out" : "\(what) waits for approval\(why)"
        case .halted: "\(what) halted\(by.map { " by \($0)" } ?? "")\(why)"
        case .expired: "\(what) ended unfinished\(why)"
        }
    }

    /// What whoever reads it can do.
    public var advice: String {
        switch event {
        case .started where !reason.isEmpty: "read it and sign it: muster rollout approve \(shortID)"
        case .started: "follow it: muster rollout watch \(shortID)"
        case .halted:
            "see which nodes failed and why (muster rollout show \(shortID)), then take it back by one command "
                + "(muster rollout roll-back \(shortID)) or let it go on (muster rollout resume \(shortID))"
        case .expired: "see which nodes are left (muster rollout show \(shortID)), and start it again for them"
        }
    }

    private var shortID: String { String(rollout.text.prefix(8)) }

    /// The notice as webhooks get it.
    public var json: JSONValue {
        [
            "subject": "rollout", "id": JSONValue(rollout), "name": .string(package), "version": .string(version),
            "event": .string(event.rawValue), "security": .bool(isSecurity), "why": .string(reason),
            "level": .string(level.rawValue), "text": .string(text), "advice": .string(advice),
        ]
    }
}
