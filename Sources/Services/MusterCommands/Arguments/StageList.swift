import ArgumentParser
import MusterModel

/// The stages of a rollout on the command line: `1,25%,100%`.
struct StageList: ExpressibleByArgument, Sendable, Hashable {
    let stages: [RolloutStrategy.Stage]

    init?(argument: String) {
        var stages: [RolloutStrategy.Stage] = []
        for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
            if part.hasSuffix("%"), let percent = Int(part.dropLast()), (1...100).contains(percent) {
                stages.append(.percent(percent))
            } else if let count = Int(part), (1...1_000_000).contains(count) {
                stages.append(.count(count))
            } else {
                return nil
            }
        }
        guard (1...32).contains(stages.count) else { return nil }
        self.stages = stages
    }

    init(_ stages: [RolloutStrategy.Stage]) {
        self.stages = stages
    }

    var defaultValueDescription: String { text }

    var text: String {
        stages.map { stage in
            switch stage {
            case .count(let count): "\(count)"
            case .percent(let percent): "\(percent)%"
            }
        }.joined(separator: ",")
    }
}
