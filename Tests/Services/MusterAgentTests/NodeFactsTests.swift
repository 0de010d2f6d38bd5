import AgentTestSupport
import CanonicalJSON
import Logging
import MusterAPI
import MusterModel
import MusterSystem
import MusterTestSupport
import Testing

@testable import MusterAgent

/// What a node finds out about itself for its reports.
@Suite(.timeLimit(.minutes(60))) struct NodeFactsTests {
    @Test(
        "a newer kernel of the same kind is an update, one of another kind or an older one is none",
        arguments: [
            ("6.1.0-26-amd64", "6.1.0-27-amd64", true), ("6.1.0-26-amd64", "6.1.0-9-amd64", false),
            ("6.1.0-26-amd64", "6.10.0-1-amd64", true), ("6.1.0-26-amd64", "6.1.0-27-cloud-amd64", false),
            ("6.1.0-26-amd64", "6.1.0-26-amd64", false), ("6.5.6-300.fc39.x86_64", "6.6.1-100.fc40.x86_64", true),
            ("5.15.0-91-generic", "5.15.0-92-lowlatency", false), ("6.1.0-26-amd64", "memtest86+", false),
        ]
    )
    func kernels(running: String, installed: String, isUpdate: Bool) throws {
        let folder = try TemporaryFolder()
        try folder.write("boot/vmlinuz-\(installed)", [])
        let reason = RebootNeed(root: folder.path, kernel: running).reason()
        #expect(reason == (isUpdate ? "kernel \(installed) is installed, \(running) runs" : ""))
    }

    @Test("what packages asked for is named, each once, and no more than a few")
    func required() throws {
        let folder = try TemporaryFolder()
        let need = RebootNeed(root: folder.path, kernel: "6.1.0-26-amd64")
        #expect(need.reason().isEmpty)
        try folder.write("run/reboot-required", "*** System restart required ***\n".utf8)
        #expect(need.reason() == "an installed package asks for it")
        try folder.write("run/reboot-required.pkgs", "libc6\nlibc6\nsystemd\na\nb\nc\nd\n".utf8)
        #expect(need.reason() == "asked for by libc6, systemd, a, b, c and 1 more")
        try folder.write("boot/vmlinuz-6.1.0-27-amd64", [])
        #expect(need.reason().hasSuffix("and 1 more; kernel 6.1.0-27-amd64 is installed, 6.1.0-26-amd64 runs"))
    }

    @Test(
        "numbers are measured in thousandths, and what is none is none",
        arguments: [
            ("0.25", 250), ("12", 12000), ("-3.5", -3500), ("+1.0009", 1000), ("0", 0), ("007", 7000),
            ("1.", nil), (".5", nil), ("1e3", nil), ("", nil), ("--1", nil), ("1.2.3", nil), ("12345678901234567", nil),
        ] as [(String, Int64?)]
    )
    func thousandths(text: String, value: Int64?) {
        #expect(NodeMetric.thousandths(text) == value)
    }

    @Test("metrics are reported as far as they can be measured, and one that fails or hangs keeps nothing up")
    func metrics() async throws {
        let metrics = NodeMetrics(
            [
                NodeMetric(name: "errors", command: ["/bin/echo", "0.5 per second"]),
                NodeMetric(name: "fails", command: ["/bin/false"]),
                NodeMetric(name: "words", command: ["/bin/echo", "many"]),
                NodeMetric(name: "missing", command: ["/no/such/program"]),
            ],
            logger: Logger(label: "test"),
            patience: .seconds(120)
        )
        #expect(await metrics.values.isEmpty)
        await metrics.measure()
        #expect(await metrics.values == ["errors": 500])
        let hanging = NodeMetrics(
            [NodeMetric(name: "hangs", command: ["/bin/sleep", "600"])],
            logger: Logger(label: "test"),
            patience: .milliseconds(200)
        )
        let began = MonotonicClock.milliseconds()
        await hanging.measure()
        #expect(MonotonicClock.milliseconds() - began < 240_000)
        #expect(await hanging.values.isEmpty)
    }

    @Test("a report carries the metrics, the need of a reboot, and what the owner decided")
    func report() async throws {
        try await withNode { node in
            var configuration = AgentConfiguration()
            configuration.metrics = [NodeMetric(name: "load", command: ["/bin/echo", "1.5"])]
            configuration.reachesOthers = true
            try node.folder.write("root/run/reboot-required", [])
            let agent = try await TestAgent(
                node.folder.path,
                transport: node.transport,
                configuration: configuration
            )
            try await agent.agent.once()
            let report = try #require(try TestAgent.service(node.folder.path).reports().last)
            #expect(report.metrics == ["load": 1500])
            #expect(report.rebootNeeded == "an installed package asks for it")
            #expect(report.reachesOthers)
        }
    }

    @Test("the owner's words are read, and what makes no sense is refused by its place")
    func configuration() throws {
        let folder = try TemporaryFolder()
        let text = """
            {"second_node": {"seconds": 60}, "reach_others": true, "pins": {"postgresql-15": "in May"},
             "metrics": [{"name": "errors", "command": ["/bin/true"]}], "health": [{"unit": "nginx.service"}]}
            """
        let read = try AgentConfiguration.load(try folder.write("a.json", text.utf8))
        #expect(read.secondNodeSeconds == 60)
        #expect(read.reachesOthers)
        #expect(read.pins == ["postgresql-15": "in May"])
        #expect(read.metrics == [NodeMetric(name: "errors", command: ["/bin/true"])])
        #expect(read.checks.first?.probe == .unit("nginx.service"))
        for wrong in [
            "{\"second_node\": {\"seconds\": 1}}", "{\"pins\": [\"a\"]}", "{\"metrics\": [{\"name\": \"a b\"}]}",
            "{\"metrics\": [{\"name\": \"a\", \"command\": [\"true\"]}]}", "{\"health\": [{\"unit\": \"--all\"}]}",
            "{\"health\": [{\"units\": \"nginx.service\"}]}",
        ] {
            #expect(throws: SystemError.self, "\(wrong)") {
                try AgentConfiguration.load(try folder.write("b.json", wrong.utf8))
            }
        }
    }
}
