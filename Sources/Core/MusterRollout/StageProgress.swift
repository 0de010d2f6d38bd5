import ByteCoding
import MusterModel

/// One stage for a progress display.
public struct StageProgress: Hashable, Sendable {
    /// What the stage is doing.
    public enum State: Hashable, Sendable {
        /// Its gate is closed.
        case waiting
        /// Its nodes have their turn.
        case open
        /// Its nodes are done; the next stage opens at this time.
        case baking(until: UTCTime)
        /// A later stage is open, or the rollout is complete.
        case complete
    }

    /// What the stage is doing.
    public let state: State
    /// How many nodes are meant to have their turn in it, those of earlier stages not counted.
    public let size: Int
    /// The nodes whose turn came in this stage, by state.
    public let counts: StateCounts
}

extension Rollout {
    /// Every stage of the strategy, for a progress display.
    ///
    /// Nodes whose turn has not come are in `counts` only.
    public var summary: [StageProgress] {
        strategy.stages.indices.map { index in
            let earlier = index == 0 ? 0 : limit(ofStage: index - 1)
            var counts = index < stageCounts.count ? stageCounts[index] : StateCounts()
            if index == stage, isLastStage { counts.add(skippedBeforeTheirTurn, in: .skipped) }
            return StageProgress(
                state: state(ofStage: index),
                size: max(0, limit(ofStage: index) - earlier),
                counts: counts
            )
        }
    }

    /// In the last stage everyone has a turn, also those that are passed by.
    private var skippedBeforeTheirTurn: Int { counts[.skipped] - stageCounts.reduce(0) { $0 + $1[.skipped] } }

    /// The stage of the node at `index` of `nodes`: the one in which its turn came, or as things are will come.
    public func expectedStage(ofNodeAt index: Int) -> Int {
        if let stage = nodes[index].stage { return stage }
        let first = max(0, openStages.count - 1)
        return (first..<strategy.stages.count).first { index < limit(ofStage: $0) } ?? strategy.stages.count - 1
    }

    private func limit(ofStage index: Int) -> Int {
        index < min(openStages.count, strategy.stages.count - 1) ? openStages[index] : size(ofStage: index)
    }

    private func state(ofStage index: Int) -> StageProgress.State {
        if phase == .completed || index < openStages.count - 1 { return .complete }
        if index >= openStages.count { return .waiting }
        return bakesUntil.map { .baking(until: $0) } ?? .open
    }
}
