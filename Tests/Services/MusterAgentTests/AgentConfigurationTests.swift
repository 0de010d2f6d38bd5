import Logging
import MusterAgent
import MusterSystem
import MusterTestSupport
import Testing

@Suite struct AgentConfigurationTests {
    @Test("without a file, or a word in it, an upgrade has two minutes to reach the service")
    func defaults() throws {
        let folder = try TemporaryFolder()
        #expect(try AgentConfiguration.load(folder.file("none")).confirmSeconds == 120)
        #expect(try AgentConfiguration.load(folder.write("agent.json", "{}".utf8)).confirmSeconds == 120)
    }

    @Test("the node's owner may say how long, and the agent's upgrades keep to it")
    func confirmSeconds() throws {
        let folder = try TemporaryFolder()
        let file = try folder.write("agent.json", "{\"confirm_seconds\": 300}".utf8)
        let configuration = try AgentConfiguration.load(file)
        #expect(configuration.confirmSeconds == 300)
        let paths = AgentPaths(folder.path)
        let assembly = AgentAssembly(paths: paths, configuration: configuration, logger: Logger(label: "test"))
        #expect(assembly.upgradeLimits.confirmSeconds == 300)
    }

    @Test("a time that no upgrade could keep, or that nobody would wait for, is refused", arguments: [0, 4, 3601])
    func outOfRange(seconds: Int) throws {
        let folder = try TemporaryFolder()
        let file = try folder.write("agent.json", "{\"confirm_seconds\": \(seconds)}".utf8)
        #expect(throws: SystemError.self) { try AgentConfiguration.load(file) }
    }

    @Test("the node's owner may say how the agent restarts itself, and how long a new one has to prove itself")
    func selfUpgrade() throws {
        let folder = try TemporaryFolder()
        let usual = try AgentConfiguration.load(folder.file("none")).upgrade
        #expect(usual.package == "muster-agent")
        #expect(usual.watchSeconds == 300)
        #expect(usual.steadySeconds == 15)
        let text = "{\"self_upgrade\": {\"restart\": [\"/bin/sv\", \"restart\", \"agent\"], \"watch_seconds\": 60}}"
        let upgrade = try AgentConfiguration.load(folder.write("agent.json", text.utf8)).upgrade
        #expect(upgrade.restart == ["/bin/sv", "restart", "agent"])
        #expect(upgrade.watchSeconds == 60)
    }

    @Test(
        "times that no new agent could keep, and an empty command, are refused",
        arguments: ["\"watch_seconds\": 9", "\"watch_seconds\": 10, \"steady_seconds\": 10", "\"restart\": []"]
    )
    func impossibleSelfUpgrade(member: String) throws {
        let folder = try TemporaryFolder()
        let file = try folder.write("agent.json", "{\"self_upgrade\": {\(member)}}".utf8)
        #expect(throws: SystemError.self) { try AgentConfiguration.load(file) }
    }
}
