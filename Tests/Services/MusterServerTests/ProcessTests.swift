import ByteCoding
import Glibc
import MusterAPI
import MusterClient
import MusterKeys
import MusterSystem
import MusterTestSupport
import Testing

@Suite("The program musterd")
struct ProcessTests {
    /// Starts the program, which ends by itself where the test process dies first.
    private func start(
        _ directory: String,
        _ options: [String] = []
    ) async throws -> (program: RunningProgram, url: String) {
        try? AtomicFile.remove(directory + "/address")
        let program = try RunningProgram(
            "/usr/bin/timeout",
            ["--foreground", "600", try BuiltProgram("musterd").path]
                + ["serve", "--state-dir", directory, "--listen", "127.0.0.1:0"] + options,
            log: directory + ".log"
        )
        for _ in 0..<2400 {
            if let bytes = try BoundedFile.readIfPresent(directory + "/address", limit: 4096), !bytes.isEmpty {
                return (
                    program, String(decoding: bytes, as: UTF8.self).split(separator: "\n").first.map(String.init) ?? ""
                )
            }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw RunningProgram.Failure("musterd did not say where it listens")
    }

    private func keys(_ url: String) async throws -> ServiceDescription.Keys {
        let client = try MusterClient(service: url)
        do {
            let keys = try await client.serviceDescription().keys
            await client.close()
            return keys
        } catch {
            await client.close()
            throw error
        }
    }

    @Test("It prints the set-up token once, keeps its keys over kill -9, and ends on TERM")
    func life() async throws {
        let directory = "/tmp/musterd-test-" + Hex.encode(RandomBytes.make(8))
        defer {
            removeTree(directory)
            unlink(directory + ".log")
        }
        let first = try await start(directory)
        let keys = try await keys(first.url)
        kill(-first.program.pid, SIGKILL)
        _ = await first.program.exit(within: .seconds(60))
        let second = try await start(directory)
        #expect(try await self.keys(second.url) == keys)
        second.program.signal(SIGTERM)
        #expect(await second.program.exit(within: .seconds(60)) == 0)
        let log = String(decoding: try BoundedFile.read(directory + ".log", limit: 1_000_000), as: UTF8.self)
        #expect(log.split(separator: "\n").count { $0.contains("set-up token: muster-setup1.") } == 1)
    }

    @Test("TERM ends it with status 0 while a node waits for a manifest, long before that wait is over")
    func endingWithPoll() async throws {
        let directory = "/tmp/musterd-test-" + Hex.encode(RandomBytes.make(8))
        let passphrase = directory + ".passphrase"
        defer {
            removeTree(directory)
            unlink(directory + ".log")
            unlink(passphrase)
        }
        try AtomicFile.write(Array("correct horse".utf8), to: passphrase)
        var session = ""
        try await ServerFixture.run(in: directory, withFleet: true) { fixture in
            let secret = try await fixture.token(uses: 1, by: try await fixture.login())
            session = try await fixture.node("alpha", secret: secret).session
        }
        let (program, url) = try await start(directory, ["--passphrase-file", passphrase])
        let client = try MusterClient(service: url)
        let token = session
        let begin = ContinuousClock.now
        let poll = Task { try await client.manifest(after: 0, wait: 60, session: token) }
        try await Task.sleep(for: .seconds(1))
        program.signal(SIGTERM)
        #expect(await program.exit(within: .seconds(50)) == 0)
        let answer = await poll.result
        #expect(ContinuousClock.now - begin < .seconds(60))
        if case .success(let manifest?) = answer { Issue.record("a manifest out of nothing: \(manifest.count) bytes") }
        await client.close()
    }
}
