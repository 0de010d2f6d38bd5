import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterModel

/// How a run ended on this node.
///
/// ```
/// {"state": "ended", "at": 1700000000000, "reason": "", "result": {…}?}
/// ```
public struct RunOutcome: Hashable, Sendable {
    /// Most bytes of its file; this much is reserved before a process starts.
    public static let byteLimit = 16384

    /// A final state.
    public let state: RunState
    /// When it was reached.
    public let at: UTCTime
    /// Why, in words; may be empty.
    public let reason: String
    /// How the process ended, with the state `ended`.
    public let result: RunResult?

    /// An outcome without a process that ended.
    public init(_ state: RunState, _ reason: String, at: UTCTime) {
        self.state = state
        self.at = at
        self.reason = reason.bounded(2048)
        result = nil
    }

    /// The end of a process.
    public init(_ result: RunResult, at: UTCTime) {
        state = .ended
        self.at = at
        reason = ""
        self.result = result
    }

    /// The end of a statement before its run began.
    static func expired(_ expires: UTCTime, at time: UTCTime) -> RunOutcome {
        let reason = "its statement expired at \(expires.wholeSeconds) before it could start; nothing ran"
        return RunOutcome(.expired, reason, at: time)
    }

    /// Reads an outcome.
    public init(_ fields: JSONFields) throws(JSONError) {
        let name = try fields.string("state", limit: 32)
        guard let state = RunState(rawValue: name), state.isFinal else {
            throw fields.error("state", "'\(name)' is no final state")
        }
        self.state = state
        at = try fields.milliseconds("at")
        reason = try fields.string("reason", limit: 2048)
        result = try fields.optional("result") { fields, key throws(JSONError) in
            try RunResult(try fields.fields(key))
        }
        guard (state == .ended) == (result != nil) else {
            throw fields.error("result", "belongs to the state 'ended' and to no other")
        }
    }

    /// The outcome as it is kept.
    public var json: JSONValue {
        var object: JSONObject = [
            "state": .string(state.rawValue), "at": .integer(at.milliseconds), "reason": .string(reason),
        ]
        if let result { object["result"] = result.json }
        return .object(object)
    }

    /// `exited with status 1`, `not-started: there is no user 'www'`.
    public var text: String {
        guard let result else { return reason.isEmpty ? state.rawValue : "\(state.rawValue): \(reason)" }
        return result.note.isEmpty ? result.endingText : "\(result.endingText); \(result.note)"
    }

    /// It as the service is told, with the output that goes with it.
    func update(offset: Int64, output: [RunUpdate.Piece]) -> RunUpdate {
        RunUpdate(state: state, at: at, reason: reason, offset: offset, output: output, result: result)
    }
}
