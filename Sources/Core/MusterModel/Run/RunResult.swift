import ByteCoding
import CanonicalJSON

/// How a process that a node ran came to its end.
///
/// ```
/// {"exit": 0 | "signal": 9, "timed_out": false, "cancelled": false, "truncated": false, "output_bytes": 120,
///  "started": 1700000000000, "milliseconds": 42, "note": ""}
/// ```
public struct RunResult: Hashable, Sendable {
    /// How a process ends.
    public enum Ending: Hashable, Sendable {
        /// By `exit` with this status.
        case exited(Int32)
        /// By this signal.
        case signalled(Int32)
    }

    /// How it ended.
    public let ending: Ending
    /// Whether it was ended since its time was over.
    public let timedOut: Bool
    /// Whether it was ended since the run was cancelled.
    public let cancelled: Bool
    /// Whether output was dropped, by the limit or for want of room.
    public let truncated: Bool
    /// How many bytes of output were kept.
    public let outputBytes: Int64
    /// When it started, by the node's clock.
    public let started: UTCTime
    /// How long it took, in milliseconds of a clock that is never set.
    public let milliseconds: Int64
    /// What else there is to say, in words; may be empty.
    public let note: String

    /// A result.
    public init(
        ending: Ending,
        timedOut: Bool = false,
        cancelled: Bool = false,
        truncated: Bool = false,
        outputBytes: Int64,
        started: UTCTime,
        milliseconds: Int64,
        note: String = ""
    ) {
        self.ending = ending
        self.timedOut = timedOut
        self.cancelled = cancelled
        self.truncated = truncated
        self.outputBytes = outputBytes
        self.started = started
        self.milliseconds = milliseconds
        self.note = note
    }

    /// Reads a result.
    public init(_ fields: JSONFields) throws(JSONError) {
        if fields.has("signal") {
            ending = .signalled(Int32(try fields.integer("signal", in: 1...128)))
        } else {
            ending = .exited(Int32(try fields.integer("exit", in: 0...255)))
        }
        timedOut = try fields.bool("timed_out")
        cancelled = try fields.bool("cancelled")
        truncated = try fields.bool("truncated")
        outputBytes = try fields.integer("output_bytes")
        started = try fields.milliseconds("started")
        milliseconds = try fields.integer("milliseconds")
        note = try fields.string("note", limit: 2048)
    }

    /// The result as it is kept and sent.
    public var json: JSONValue {
        var object: JSONObject = [
            "timed_out": .bool(timedOut), "cancelled": .bool(cancelled), "truncated": .bool(truncated),
            "output_bytes": .integer(outputBytes), "started": .integer(started.milliseconds),
            "milliseconds": .integer(milliseconds), "note": .string(note),
        ]
        switch ending {
        case .exited(let status): object["exit"] = .integer(Int64(status))
        case .signalled(let signal): object["signal"] = .integer(Int64(signal))
        }
        return .object(object)
    }

    /// Whether it exited with status 0, in its time and uncancelled.
    public var succeeded: Bool { ending == .exited(0) && !timedOut && !cancelled }

    /// `exited with status 1`, `was ended by signal 9`, `ran out of time`, `was cancelled`.
    public var endingText: String {
        if timedOut { return "ran out of time" }
        if cancelled { return "was cancelled" }
        return switch ending {
        case .exited(let status): "exited with status \(status)"
        case .signalled(let signal): "was ended by signal \(signal)"
        }
    }
}

/// How far one node is with one run, as it says itself.
public enum RunState: String, Hashable, Sendable, CaseIterable {
    /// Verified, and waiting for its time or its turn.
    case accepted
    /// The process runs, or is just being started.
    case started
    /// The process ended; there is a result.
    case ended
    /// The node does not believe what it was told, with the reason.
    case refused
    /// It could not be started, with the reason; nothing ran.
    case notStarted = "not-started"
    /// Its supervisor was lost: whether and how the process ended is not known.
    case lost
    /// Taken back before it started; nothing ran.
    case cancelled
    /// Its statement expired before it could start; nothing ran.
    case expired

    /// Whether nothing more comes of it.
    public var isFinal: Bool {
        switch self {
        case .accepted, .started: false
        case .ended, .refused, .notStarted, .lost, .cancelled, .expired: true
        }
    }
}
