import ArgumentParser
import MusterModel

/// A group of nodes that have their turn together, on the command line: `test=tag:test` or `east=tag:a,tag:b`.
struct GroupArgument: ExpressibleByArgument, Sendable {
    let group: RolloutStrategy.Group

    init?(argument: String) {
        let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, (1...128).contains(parts[0].utf8.count) else { return nil }
        var selectors: [NodeSelector] = []
        for text in parts[1].split(separator: ",", omittingEmptySubsequences: false) {
            guard let selector = NodeSelector(String(text)) else { return nil }
            selectors.append(selector)
        }
        group = RolloutStrategy.Group(name: parts[0], nodes: selectors)
    }
}

/// How many nodes with a tag may be changing at one moment, on the command line: `db=1`.
struct TagLimitArgument: ExpressibleByArgument, Sendable {
    let tag: Tag
    let most: Int

    init?(argument: String) {
        let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, let tag = TagArgument(argument: parts[0])?.tag, let most = Int(parts[1]),
            (1...1_000_000).contains(most)
        else { return nil }
        self.tag = tag
        self.most = most
    }
}

/// A figure that must not become worse, on the command line: `p99`, `p99:higher`, `p99:higher:20` or `p99:lower:20:5`.
struct MetricArgument: ExpressibleByArgument, Sendable {
    let metric: RolloutStrategy.Metric

    init?(argument: String) {
        let parts = argument.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard (1...4).contains(parts.count), (1...64).contains(parts[0].utf8.count) else { return nil }
        let standard = RolloutStrategy.Metric(name: parts[0])
        var (worse, percent, least) = (standard.worse, standard.percent, standard.least)
        if parts.count > 1 {
            guard let direction = RolloutStrategy.Metric.Direction(rawValue: parts[1]) else { return nil }
            worse = direction
        }
        if parts.count > 2 {
            let text = parts[2].hasSuffix("%") ? String(parts[2].dropLast()) : parts[2]
            guard let number = Int(text), (0...100_000).contains(number) else { return nil }
            percent = number
        }
        if parts.count > 3 {
            guard let number = Int(parts[3]), (1...Int(RolloutStrategy.sampleLimit)).contains(number) else {
                return nil
            }
            least = number
        }
        metric = RolloutStrategy.Metric(name: parts[0], worse: worse, percent: percent, least: least)
    }
}
