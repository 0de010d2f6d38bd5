import ArgumentParser

struct RolloutCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rollout",
        abstract: "Give nodes a release in stages: start, watch, halt, roll back, approve.",
        subcommands: [
            RolloutStart.self, RolloutList.self, RolloutShow.self, RolloutWatch.self, RolloutHalt.self,
            RolloutResume.self, RolloutCancel.self, RolloutRollBack.self, RolloutApprove.self,
        ]
    )
}
