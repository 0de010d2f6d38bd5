import ArgumentParser
import ByteCoding
import MusterModel

/// When a run begins, and until when a node may begin it.
struct RunTimeOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Nothing starts before this moment (UTC, such as 2026-11-24T02:00Z); approvals may come earlier.",
            valueName: "time"
        )
    )
    var at: MomentArgument?

    @Option(name: .customLong("in"), help: ArgumentHelp("The same, counted from now: 2h.", valueName: "span"))
    var delay: TimeSpan?

    @Option(
        help: ArgumentHelp(
            "How long after its beginning nodes may still start it: an offline node that is back by then runs it.",
            valueName: "span"
        )
    )
    var expires = TimeSpan(seconds: 3600)

    func validate() throws {
        guard at == nil || delay == nil else { throw ValidationError("give --at or --in, not both") }
        guard expires.seconds >= 60 else { throw ValidationError("--expires is shorter than a minute") }
    }

    /// When it begins, nil for at once, and when its statement expires.
    func moments(now: UTCTime) throws -> (notBefore: UTCTime?, expires: UTCTime) {
        let begin = at?.time ?? delay.map { now.adding(seconds: Int64($0.seconds)) }
        if let begin, begin <= now {
            throw CommandFailure.usage("\(begin.wholeSeconds) is over: nothing can start then")
        }
        let end = (begin ?? now).adding(seconds: Int64(expires.seconds))
        guard end.seconds - now.seconds <= RunBody.statementLifetime else {
            throw CommandFailure.usage("a run may be asked for at most 7 days ahead, its --expires included")
        }
        return (begin?.wholeSeconds, end)
    }
}

/// How a run spreads over its nodes.
struct FanOutOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Most nodes at work at once; 0 for all.", valueName: "n")) var concurrency = 0

    @Option(
        help: ArgumentHelp("Begin so many nodes, and the next ones only when all of these ended.", valueName: "n")
    )
    var batch = 0

    @Option(help: ArgumentHelp("Begin no further nodes once more than so many failed.", valueName: "n"))
    var maxFailures: Int?

    func validate() throws {
        for (name, value) in [
            ("--concurrency", concurrency), ("--batch", batch), ("--max-failures", maxFailures ?? 0),
        ] where !(0...1_000_000).contains(value) {
            throw ValidationError("\(name) is not within 0 to 1000000")
        }
    }

    var fanOut: RunBody.FanOut {
        RunBody.FanOut(concurrency: concurrency, batch: batch, maximumFailures: maxFailures)
    }
}

/// How output is shown.
struct RunOutputOptions: ParsableArguments {
    @Flag(
        inversion: .prefixedNo,
        help: """
            Show output at the end, that of nodes with the same one once; without it lines come as they are written, and \
            the summary on a terminal says whose output was the same.
            """
    )
    var fold: Bool?

    @Flag(
        help: """
            As JSON, one object a line, by "type": "asked" (run, state, detail), "state" (run, state, reason, missing), \
            "node" (node, name, state, reason, result), "output" (node, name, stream, milliseconds, text, or data in \
            base64; partial without a newline at its end), "end" (run, state, reason, counts, exit).
            """
    )
    var json = false

    func format(_ terminal: Terminal) -> RunDisplay.Format {
        if json { return .json }
        return fold == true ? .folded : .lines(comparing: fold ?? terminal.kind.isScreen)
    }
}
