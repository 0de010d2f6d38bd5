import AgentTestSupport
import ByteCoding
import MusterAPI
import MusterAgent
import MusterModel
import MusterSystem
import MusterTestSupport
import Testing

/// A service that brings more runs than a node can keep: what nobody signed costs no disk, and the rest has its limits.
@Suite(.serialized, .timeLimit(.minutes(60))) struct RunFloodTests {
    /// Statements for `echo` on the test's node, of operators who signed them, or of nobody.
    private static func flood(
        _ node: RunNode,
        _ count: Int,
        lifetime: Int64 = 86400,
        by signers: [String] = ["ada"],
        isSigned: Bool = true
    ) throws -> [SignedStatement] {
        try (0..<count).map { index in
            let body = try node.node.fleet.run("echo", on: [TestAgent.node])
            var statement = try node.node.fleet.statement(
                .run(body),
                by: signers,
                seed: "flood \(index) \(lifetime) \(signers)",
                lifetime: lifetime
            )
            if !isSigned { statement.signatures = [] }
            return statement
        }
    }

    private static func kept(_ node: RunNode) throws -> Int {
        Directory.exists(node.paths.runs) ? try Directory.entries(node.paths.runs).count : 0
    }

    @Test("attack: runs that nobody signed, or that live for ever, leave nothing on the disk; the service is told why")
    func unsigned() async throws {
        try await withRuns { node in
            let unsigned = try Self.flood(node, 40, lifetime: 200_000_000_000, isSigned: false)
            let endless = try Self.flood(node, 10, lifetime: 8 * 86400)
            try node.node.offer(runs: unsigned + endless)
            #expect(try await node.work() == nil)
            #expect(try Self.kept(node) == 0)
            for run in unsigned {
                let said = try #require(try node.service.lastUpdate(run.statement.id))
                #expect(said.state == .refused)
            }
            for run in endless {
                let said = try #require(try node.service.lastUpdate(run.statement.id))
                #expect(said.state == .refused && said.reason.hasPrefix("lifetime-too-long: "))
            }
            // The honest one that the thief's manifests stood before.
            let honest = try node.asked("true")
            #expect(try await node.outcome(honest).exit == 0)
            #expect(try Self.kept(node) == 1)
        }
    }

    @Test("a run of which nothing is kept is answered for by one request at a time, and only so many wait")
    func answersWait() async throws {
        try await withRuns { node in
            try node.service.closeForReports()
            let unsigned = try Self.flood(node, 40, isSigned: false)
            try node.node.offer(runs: unsigned)
            let agent = try await node.agent(limits: { $0.answers = 8 })
            _ = await agent.agent.turn()
            #expect(await agent.runs.once()?.contains("it is closed") == true)
            #expect(try Self.kept(node) == 0)
            try node.service.open()
            #expect(await agent.runs.once() == nil)
            let told = try unsigned.filter { try node.service.lastUpdate($0.statement.id) != nil }
            #expect(told.map(\.statement.id) == unsigned.suffix(8).map(\.statement.id))
        }
    }

    @Test("an expired statement starts nothing and is not kept, whoever signed it")
    func expired() async throws {
        try await withRuns { node in
            let run = try node.asked("true", lifetime: 600)
            try node.offer(run)
            #expect(try await node.work(clock: .ahead(by: 601)) == nil)
            let said = try #require(try node.service.lastUpdate(run.statement.id))
            #expect(said.state == .expired && said.reason.hasSuffix("before it could start; nothing ran"))
            #expect(try Self.kept(node) == 0)
        }
    }

    @Test("of the runs that were refused the oldest are forgotten first, and none that ran while its statement is good")
    func limited() async throws {
        try await withRuns { node in
            func few(_ limits: inout RunLimits) { limits.records = 4 }
            let done = try node.asked("echo once")
            try node.offer(done)
            #expect(try await node.work(limits: few) == nil)
            // Signed by an operator whom no rule allows it.
            let refused = try Self.flood(node, 12, by: ["cat"])
            for run in refused {
                try node.offer(run)
                #expect(try await node.work(limits: few) == nil)
                #expect(try node.service.lastUpdate(run.statement.id)?.state == .refused)
                #expect(try Self.kept(node) <= 4)
            }
            #expect(!Directory.exists(node.files(refused[0]).path))
            try node.offer(done)
            #expect(try await node.work(limits: few) == nil)
            #expect(try node.executions() == 1)
            // Three more that run: from then on there is nothing to forget.
            let more = try (0..<4).map { _ in try node.asked("true") }
            for run in more.prefix(3) {
                try node.offer(run)
                #expect(try await node.work(limits: few) == nil)
                #expect(try node.service.lastUpdate(run.statement.id)?.exit == 0)
            }
            try node.offer(more[3])
            #expect(try await node.work(limits: few) == nil)
            let said = try #require(try node.service.lastUpdate(more[3].statement.id))
            #expect(said.state == .refused && said.reason.contains("none of which it may forget yet"))
            try node.node.offer(runs: [done] + more.prefix(3))
            #expect(try await node.work(limits: few) == nil)
            #expect(try node.executions() == 4)
        }
    }

    @Test("a service that takes nothing is told of a few runs at a time; when it is back it learns of all of them")
    func deliveries() async throws {
        try await withRuns { node in
            func few(_ limits: inout RunLimits) { limits.deliveries = 2 }
            let refused = try Self.flood(node, 9, by: ["cat"])
            try node.service.closeForReports()
            try node.node.offer(runs: refused)
            #expect(try await node.work(limits: few)?.contains("it is closed") == true)
            #expect(try Self.kept(node) == 9)
            try node.service.open()
            #expect(try await node.work(limits: few) == nil)
            for run in refused {
                #expect(try node.service.states(run.statement.id) == ["refused"])
            }
        }
    }

    @Test("a record that an earlier agent kept of what nobody signed ends when a good statement would have")
    func earlierRecords() async throws {
        try await withRuns { node in
            let run = try Self.flood(node, 1, by: ["cat"])[0]
            try node.offer(run)
            #expect(try await node.work() == nil)
            let path = node.files(run).record
            var text = String(decoding: try BoundedFile.read(path, limit: 1 << 20), as: UTF8.self)
            let expires = "\"expires\":\(run.statement.expires.wholeSeconds.milliseconds)"
            try #require(text.contains(expires))
            text.replace(expires, with: "\"expires\":253402300799000")
            try AtomicFile.write(Array(text.utf8), to: path)
            let known = try #require(try RunShelf(node.paths).read(run.statement.id))
            #expect(known.expires < known.taken.adding(seconds: 8 * 86400))
        }
    }
}
