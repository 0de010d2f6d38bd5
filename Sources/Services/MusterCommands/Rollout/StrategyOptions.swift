import ArgumentParser
import MusterModel

/// How a rollout spreads, on the command line.
struct StrategyOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Nodes that have the version when each stage is complete, as counts or percents "
                + "(default: \(StageList(RolloutStrategy().stages).text); 100% in a roll-back).",
            valueName: "list"
        )
    )
    var stages: StageList?

    @Option(help: ArgumentHelp("Wait after each stage (default: 5m; none in a roll-back).", valueName: "span"))
    var bake: TimeSpan?

    @Option(help: "Most nodes at work at one moment (default: 10; all of them in a roll-back).") var maxInFlight: Int?

    @Option(help: "Halt when more nodes than this have failed (default: 0; never in a roll-back).")
    var maxFailures: Int?

    @Option(
        help: ArgumentHelp(
            "Bear more failures than that while they are at most so many percent of the nodes that are done.",
            valueName: "percent"
        )
    )
    var maxFailurePercent: Int?

    @Option(
        name: .customLong("group"),
        help: ArgumentHelp(
            "Nodes that have their turn together, such as test=tag:test; may be repeated, in order.",
            discussion: "Nodes that no group names are the safety group: last, one at a time.",
            valueName: "name=selectors"
        )
    )
    var groups: [GroupArgument] = []

    @Option(help: "Most nodes at work at one moment in the safety group.") var safetyInFlight = 1

    @Option(
        name: .customLong("tag-limit"),
        help: ArgumentHelp(
            "Most nodes with a tag at work at one moment, such as db=1; may be repeated.",
            valueName: "tag=count"
        )
    )
    var tagLimits: [TagLimitArgument] = []

    @Option(
        name: .customLong("metric"),
        help: ArgumentHelp(
            "Halt when a figure that nodes report is worse on upgraded nodes, such as p99:higher:20; may be repeated.",
            discussion: "NAME[:higher|lower[:PERCENT[:NODES]]], by default 20 percent higher on 5 nodes or more.",
            valueName: "metric"
        )
    )
    var metrics: [MetricArgument] = []

    @Option(help: ArgumentHelp("After this a node that has not begun no longer holds up its stage.", valueName: "span"))
    var startDeadline = TimeSpan(seconds: 3600)

    @Option(help: ArgumentHelp("After this a node that began and did not confirm counts as failed.", valueName: "span"))
    var finishDeadline = TimeSpan(seconds: 900)

    @Option(help: ArgumentHelp("How long the statement is good for.", valueName: "span"))
    var expires = TimeSpan(seconds: 7 * 86400)

    func validate() throws {
        guard (1...1_000_000).contains(maxInFlight ?? 1) else {
            throw ValidationError("--max-in-flight is less than 1")
        }
        guard (0...1_000_000).contains(maxFailures ?? 0) else { throw ValidationError("--max-failures is less than 0") }
        try validateSpread()
        for (name, span, least) in [
            ("bake", bake?.seconds ?? 0, 0), ("start-deadline", startDeadline.seconds, 1),
            ("finish-deadline", finishDeadline.seconds, 1),
        ] {
            guard (least...2_592_000).contains(span) else {
                throw ValidationError("--\(name) is not within \(least) s to 30 d")
            }
        }
        guard (60...2_592_000).contains(expires.seconds) else {
            throw ValidationError("--expires is not within 1 m to 30 d")
        }
    }

    private func validateSpread() throws {
        guard (1...1_000_000).contains(safetyInFlight) else {
            throw ValidationError("--safety-in-flight is less than 1")
        }
        guard (0...100).contains(maxFailurePercent ?? 0) else {
            throw ValidationError("--max-failure-percent is not within 0 to 100")
        }
        for (name, names, limit) in [
            ("group", groups.map(\.group.name), RolloutStrategy.groupLimit),
            ("tag-limit", tagLimits.map(\.tag.text), RolloutStrategy.tagLimit),
            ("metric", metrics.map(\.metric.name), RolloutStrategy.metricLimit),
        ] {
            guard names.count <= limit else { throw ValidationError("more than \(limit) --\(name)") }
            guard Set(names).count == names.count else { throw ValidationError("two --\(name) have one name") }
        }
    }

    /// The strategy, with these stages and this bake time where the command line says nothing.
    func strategy(stages: [RolloutStrategy.Stage], bakeSeconds: Int) -> RolloutStrategy {
        RolloutStrategy(
            stages: self.stages?.stages ?? stages,
            bakeSeconds: bake?.seconds ?? bakeSeconds,
            maxInFlight: maxInFlight ?? RolloutStrategy().maxInFlight,
            maxFailures: maxFailures ?? RolloutStrategy().maxFailures,
            startDeadlineSeconds: startDeadline.seconds,
            finishDeadlineSeconds: finishDeadline.seconds,
            maxFailurePercent: maxFailurePercent,
            groups: groups.map(\.group),
            safetyInFlight: safetyInFlight,
            tagInFlight: Dictionary(uniqueKeysWithValues: tagLimits.map { ($0.tag, $0.most) }),
            metrics: metrics.map(\.metric)
        )
    }

    /// The strategy of a roll-back on so many nodes: all at once, and none that fails holds up the others, where the command
    /// line says nothing else.
    func rollBackStrategy(nodes: Int) -> RolloutStrategy {
        var strategy = strategy(stages: [.percent(100)], bakeSeconds: 0)
        strategy.maxInFlight = maxInFlight ?? max(1, nodes)
        strategy.maxFailures = maxFailures ?? nodes
        return strategy
    }
}
