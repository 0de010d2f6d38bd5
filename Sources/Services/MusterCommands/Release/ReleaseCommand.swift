import ArgumentParser

struct ReleaseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "release",
        abstract: "Packages that the fleet may install: inspect, sign, publish, list.",
        subcommands: [
            ReleaseBundle.self, ReleaseAdd.self, ReleaseSign.self, ReleaseMerge.self, ReleasePublish.self,
            ReleaseList.self, ReleaseRenew.self,
        ]
    )
}
