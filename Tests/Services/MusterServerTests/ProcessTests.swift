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
    private func start(_ directory: String) async throws -> (program: RunningProgram, url: String) {
        try? AtomicFile.remove(directory + "/address")
        let program = try RunningProgram(
            try BuiltProgram("musterd").path,
            ["serve", "--state-dir", directory, "--listen", "127.0.0.1:0"],
            log: directory + ".log"
        )
        for _ in 0..<400 {
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

    @Test("It prints the set-up token once, keeps its keys over kill -9, and ends on TERM within two seconds")
    func life() async throws {
        let directory = "/tmp/musterd-test-" + Hex.encode(RandomBytes.make(8))
        defer {
            removeTree(directory)
            unlink(directory + ".log")
        }
        let first = try await start(directory)
        let keys = try await keys(first.url)
        kill(first.program.pid, SIGKILL)
        try await Task.sleep(for: .milliseconds(300))
        let second = try await start(directory)
        #expect(try await self.keys(second.url) == keys)
        let begin = ContinuousClock.now
        kill(second.program.pid, SIGTERM)
        var isThere = true
        for _ in 0..<100 where isThere {
            try await Task.sleep(for: .milliseconds(50))
            isThere = (try? await self.keys(second.url)) != nil
        }
        #expect(!isThere)
        #expect(ContinuousClock.now - begin < .seconds(3))
        let log = String(decoding: try BoundedFile.read(directory + ".log", limit: 1_000_000), as: UTF8.self)
        #expect(log.split(separator: "\n").count { $0.contains("set-up token: muster-setup1.") } == 1)
    }
}
