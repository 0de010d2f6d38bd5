import MusterModel

/// Metrics: whether upgraded nodes are worse off than they were, and than nodes that are not yet upgraded.
///
/// For a sample of upgraded nodes, by how many percent the figure rose since their upgrade; for the panel, the last nodes in
/// the order of turns, by how many percent it rose while they were not upgraded. The rollout halts when the median of the
/// first is worse than that of the second by more than the strategy allows, so neither what differs between nodes nor what
/// happens to all of them at once counts. While too few of the panel are known, the first alone decides. Where upgraded nodes
/// had no figure before, their level is compared with that of the panel. Nothing is decided from fewer nodes than `least`.
extension Rollout {
    /// Most nodes whose figures are kept as those of upgraded ones, and of the panel.
    static let sampleLimit = 256

    /// Whether `.measured(node)` may change anything.
    public func needs(measured node: NodeID) -> Bool {
        guard phase.isOpen, !strategy.metrics.isEmpty, let index = indices[node] else { return false }
        return isMeasured(index)
    }

    private func isMeasured(_ index: Int) -> Bool {
        let node = nodes[index]
        if node.state == .confirmed { return !node.figures.isEmpty && node.wasAssigned }
        return isBeforeUpgrade(node) || isOfPanel(index)
    }

    private func isBeforeUpgrade(_ node: RolloutNode) -> Bool { node.state.isAssigned && !node.state.hasBegun }

    private func isOfPanel(_ index: Int) -> Bool { panel.contains(index) && !nodes[index].state.isTried }

    mutating func measure(_ node: NodeID, _ values: [String: Int64]) {
        guard needs(measured: node), let index = indices[node] else { return }
        var figures = nodes[index].figures
        if figures.isEmpty { figures = strategy.metrics.map { _ in Figure() } }
        for (number, metric) in strategy.metrics.enumerated() {
            guard let value = values[metric.name] else { continue }
            if isBeforeUpgrade(nodes[index]) {
                figures[number].before = value
            } else {
                if isOfPanel(index), figures[number].before == nil { figures[number].before = value }
                figures[number].now = value
            }
        }
        guard figures != nodes[index].figures else { return }
        nodes[index].figures = figures
        hasChanged = true
        haltIfWorse()
    }

    /// A node of the panel has its turn: its last figure is what it was before.
    mutating func beginFigures(_ index: Int) {
        guard !nodes[index].figures.isEmpty else { return }
        for number in nodes[index].figures.indices {
            nodes[index].figures[number].before =
                nodes[index].figures[number].now ?? nodes[index].figures[number].before
            nodes[index].figures[number].now = nil
        }
    }

    /// A node was upgraded: it is of the sample, in the place of the one that has been in it longest.
    mutating func addToSample(_ index: Int) {
        guard !strategy.metrics.isEmpty, nodes[index].wasAssigned else { return }
        if nodes[index].figures.isEmpty { nodes[index].figures = strategy.metrics.map { _ in Figure() } }
        sample.append(index)
        guard sample.count > Self.sampleLimit else { return }
        let oldest = sample.min { (nodes[$0].since, $0) < (nodes[$1].since, $1) }
        if let oldest { removeFromSample(oldest) }
    }

    mutating func removeFromSample(_ index: Int) {
        nodes[index].figures = []
        sample.removeAll { $0 == index }
    }

    /// What an operator has seen when resuming does not halt it again.
    mutating func forgetSample() {
        for index in sample.sorted() { nodes[index].figures = [] }
        sample = []
    }

    private mutating func haltIfWorse() {
        guard phase == .running else { return }
        for (number, metric) in strategy.metrics.enumerated() {
            guard let reason = regression(number, metric) else { continue }
            return halt(Self.clip(reason), by: nil)
        }
    }

    private func regression(_ number: Int, _ metric: RolloutStrategy.Metric) -> String? {
        let after = sample.map { nodes[$0].figures[number] }
        let others = panel.filter { isOfPanel($0) && !nodes[$0].figures.isEmpty }.map { nodes[$0].figures[number] }
        let changes = after.compactMap(\.change)
        guard changes.count >= metric.least else { return levels(metric, after, others) }
        let unchanged = others.compactMap(\.change)
        let isCompared = unchanged.count >= metric.least
        let own = changes.median
        let other = isCompared ? unchanged.median : 0
        guard metric.worsening(own - other) > Double(metric.percent) else { return nil }
        return "metric '\(metric.name)' changed by \(Self.text(own)) on \(changes.count) upgraded nodes, "
            + (isCompared
                ? "by \(Self.text(other)) on \(unchanged.count) not yet upgraded"
                : "too few that are not yet upgraded are known to compare")
            + " (medians); \(metric.percent)% \(metric.worse.rawValue) is allowed"
    }

    private func levels(_ metric: RolloutStrategy.Metric, _ after: [Figure], _ others: [Figure]) -> String? {
        let upgraded = after.compactMap(\.now).map(Double.init)
        let compared = others.compactMap(\.now).map(Double.init)
        guard upgraded.count >= metric.least, compared.count >= metric.least else { return nil }
        let difference = Figure.percent(from: compared.median, to: upgraded.median)
        guard metric.worsening(difference) > Double(metric.percent) else { return nil }
        let (own, other) = (Thousandths.text(Int64(upgraded.median)), Thousandths.text(Int64(compared.median)))
        return "metric '\(metric.name)' is \(own) on \(upgraded.count) upgraded nodes, \(other) on \(compared.count) "
            + "not yet upgraded (medians), which is \(Self.text(difference)); "
            + "\(metric.percent)% \(metric.worse.rawValue) is allowed"
    }

    private static func text(_ percent: Double) -> String {
        let rounded = Int64(percent.rounded())
        return rounded > 0 ? "+\(rounded)%" : "\(rounded)%"
    }
}

extension RolloutStrategy.Metric {
    fileprivate func worsening(_ percent: Double) -> Double { worse == .higher ? percent : -percent }
}
