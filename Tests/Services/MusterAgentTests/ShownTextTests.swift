import AgentTestSupport
import ByteCoding
import CanonicalJSON
import Logging
import MusterSystem
import MusterTestSupport
import Testing

@testable import MusterAgent

/// What the service says is shown to root: it must not steer the terminal, nor write lines of its own.
@Suite("what the agent shows and logs")
struct ShownTextTests {
    private let hostile = "gone\u{1B}]0;owned\u{07}\u{9B}2J\nkey       exempt\r\u{202E}\u{2028}x"

    @Test("status shows what the service said without anything that steers a terminal, as text and as JSON")
    func status() async throws {
        try await withNode { node in
            let enrollment = try #require(try Enrollment.load(TestAgent.paths(node.folder.path)))
            var memory = NodeMemory(enrollment)
            memory.removal = hostile
            let status = AgentStatus(
                enrollment: enrollment,
                isRunning: false,
                memory: memory,
                journal: nil,
                watched: nil,
                runs: [],
                publicKey: []
            )
            let lines = status.text.split(separator: "\n", omittingEmptySubsequences: false)
            #expect(lines.filter { $0.hasPrefix("removed") }.count == 1 && !lines.contains { $0.hasPrefix("key ") })
            #expect(lines.allSatisfy { !$0.unicodeScalars.contains(where: \.isSteering) })
            let json = status.json.prettyText
            #expect(json.unicodeScalars.allSatisfy { !$0.isSteering || $0 == "\n" })
            #expect(try JSONValue.parse(Array(json.utf8), limit: 100_000)["removed"] == .string(hostile))
        }
    }

    @Test("an event that quotes what somebody else wrote is one line of the watcher's log")
    func log() throws {
        let event = LogEvent(
            level: .warning,
            message: "refused \(hostile)",
            metadata: ["reason": "\(hostile)", "list": ["\(hostile)"]],
            source: nil,
            file: "f",
            function: "g",
            line: 1
        )
        let folder = try TemporaryFolder()
        WatchLog(folder.file("log")).log(event: event)
        let written = String(decoding: try #require(try folder.read("log")), as: UTF8.self)
        #expect(written.hasSuffix("\n") && !written.dropLast().unicodeScalars.contains(where: \.isSteering))
    }
}
