import ByteCoding
import DebianPackage
import MusterModel

extension Selection {
    /// The nodes that are meant, of all that there are.
    ///
    /// A comparison with something unknown (the node never reported, was last seen more than a day ago, or does not report
    /// that package) is neither true nor false, and neither is its negation: such a node is left out and said to be. The
    /// same nodes at the same time always come to the same result, in whatever order they are given.
    public func resolve(_ nodes: [SelectableNode], at time: UTCTime) throws(SelectionMistake) -> SelectedNodes {
        let ordered = nodes.sorted(by: SelectableNode.precedes)
        var resolver = SelectionResolver(nodes: ordered, time: time)
        let answers = try resolver.answers(self)
        var selected: [SelectableNode] = []
        var undecided: [SelectedNodes.Undecided] = []
        for (node, answer) in zip(ordered, answers) {
            switch answer {
            case .yes: selected.append(node)
            case .no: break
            case .unknown(let reason): undecided.append(SelectedNodes.Undecided(node: node, reason: reason))
            }
        }
        return SelectedNodes(nodes: selected, undecided: undecided, remarks: resolver.remarks)
    }
}

/// Three-valued evaluation, one answer for each node.
struct SelectionResolver {
    enum Answer: Hashable {
        case yes
        case no
        case unknown(String)

        init(_ value: Bool) {
            self = value ? .yes : .no
        }
    }

    private let nodes: [SelectableNode]
    private let time: UTCTime
    private(set) var remarks: [String] = []

    init(nodes: [SelectableNode], time: UTCTime) {
        self.nodes = nodes
        self.time = time
    }

    mutating func answers(_ selection: Selection) throws(SelectionMistake) -> [Answer] {
        switch selection {
        case .every: return nodes.map { _ in .yes }
        case .tag(let tag):
            return try some(nodes.map { Answer($0.tags.contains(tag)) }, else: "no node has the tag '\(tag)'")
        case .node(let name): return try named(name)
        case .name(let glob):
            return try some(nodes.map { Answer(glob.matches($0.name)) }, else: "no node's name is like '\(glob)'")
        case .comparison(let comparison): return try answers(comparison)
        case .not(let inner): return try answers(inner).map(Self.not)
        case .all(let parts): return try combined(parts, deciding: .no)
        case .any(let parts): return try combined(parts, deciding: .yes)
        case .quota(let quota, let inner): return share(quota, try answers(inner), selection)
        }
    }

    // MARK: - Logic

    private static func not(_ answer: Answer) -> Answer {
        switch answer {
        case .yes: .no
        case .no: .yes
        case .unknown: answer
        }
    }

    /// `and` where `no` decides, `or` where `yes` does; otherwise the first unknown counts.
    private mutating func combined(
        _ parts: [Selection],
        deciding: Answer
    ) throws(SelectionMistake) -> [Answer] {
        var result = [Answer](repeating: Self.not(deciding), count: nodes.count)
        for part in parts {
            for (index, answer) in try answers(part).enumerated() {
                if answer == deciding || result[index] == Self.not(deciding) { result[index] = answer }
            }
        }
        return result
    }

    private mutating func share(_ quota: Selection.Quota, _ answers: [Answer], _ whole: Selection) -> [Answer] {
        let total = answers.count { $0 == .yes }
        var left = quota.share(of: total)
        if case .count(let count) = quota, count > total {
            remarks.append("'\(whole)': there are only \(total)")
        }
        return answers.map { answer in
            guard answer == .yes else { return answer }
            left -= 1
            return Answer(left >= 0)
        }
    }

    private func some(_ answers: [Answer], else mistake: String) throws(SelectionMistake) -> [Answer] {
        guard answers.contains(.yes) else { throw SelectionMistake(description: mistake) }
        return answers
    }

    private func named(_ name: String) throws(SelectionMistake) -> [Answer] {
        let byID = nodes.map { Answer($0.id.text == name) }
        if byID.contains(.yes) { return byID }
        return try some(nodes.map { Answer($0.name.utf8.elementsEqual(name.utf8)) }, else: "there is no node '\(name)'")
    }

    // MARK: - Comparisons

    private func answers(_ comparison: Selection.Comparison) throws(SelectionMistake) -> [Answer] {
        if case .version(let package) = comparison.fact,
            !nodes.contains(where: { $0.report?.packages[package] != nil })
        {
            throw SelectionMistake(description: "no node reports a package '\(package)'")
        }
        return nodes.map { answer(comparison, $0) }
    }

    private func answer(_ comparison: Selection.Comparison, _ node: SelectableNode) -> Answer {
        if case .state = comparison.fact {
            return Answer((node.state == comparison.value) == (comparison.sign == .equal))
        }
        if let reason = node.ignorance(at: time) { return .unknown("\(comparison.fact) is unknown: \(reason)") }
        guard let report = node.report else { return .unknown("\(comparison.fact) is unknown") }
        let told: String?
        switch comparison.fact {
        case .os: told = report.os
        case .architecture: told = report.architecture
        case .agent: told = report.agent
        case .version(let package): told = report.packages[package]
        case .state: told = node.state
        }
        guard let told, !told.isEmpty else {
            return .unknown("\(comparison.fact) is unknown: it does not report it")
        }
        if comparison.fact.isVersion { return Self.compare(told, comparison) }
        let fits = comparison.fact == .os ? Self.words(told, fit: comparison.value) : told == comparison.value
        return Answer(fits == (comparison.sign == .equal))
    }

    /// Whether each word of `value` is like some word of `name`, whatever the case: `"debian 12"`, `bookworm`, `24.04*`.
    private static func words(_ name: String, fit value: String) -> Bool {
        let words = name.lowercased().split { " /(),".contains($0) }.map(String.init)
        return value.lowercased().split { " /(),".contains($0) }.allSatisfy { wanted in
            guard let pattern = GlobPattern(String(wanted)) else { return true }
            return words.contains(where: pattern.matches)
        }
    }

    private static func compare(_ told: String, _ comparison: Selection.Comparison) -> Answer {
        guard let left = DebianVersion(told), let right = DebianVersion(comparison.value) else {
            return .unknown("\(comparison.fact) is unknown: '\(told)' is no version")
        }
        return switch comparison.sign {
        case .equal: Answer(left == right)
        case .unequal: Answer(left != right)
        case .less: Answer(left < right)
        case .lessOrEqual: Answer(left <= right)
        case .greater: Answer(left > right)
        case .greaterOrEqual: Answer(left >= right)
        }
    }
}
