import ByteCoding
import CanonicalJSON
import MusterSystem
import MusterTestSupport
import TUF
import Testing

/// The program as the conformance suite of the TUF project uses it: exit codes, stored files, requests.
@Suite(.serialized) struct TUFClientToolTests {
    /// The program's own clock decides, so this repository expires from the real day on.
    private static func repository() throws -> RepositorySimulator {
        var repository = try RepositorySimulator()
        repository.defaultExpiry = WallClock.now().adding(seconds: 30 * 86400)
        for role in ["root", "targets", "snapshot", "timestamp"] { try repository.republish(role) }
        return repository
    }

    private struct Session: Sendable {
        let server: SimulatedServer
        let folder: TemporaryFolder
        let address: String

        /// The exit status; the program runs while this task sleeps, so that the server beside it can answer.
        func run(_ arguments: [String]) async throws -> Int32 {
            try await RunningProgram.run(
                try BuiltProgram("tuf-client").path,
                arguments,
                log: folder.path + "/log"
            )
        }

        func initialize(_ root: [UInt8]? = nil) async throws -> Bool {
            let path = folder.path + "/initial-root"
            try AtomicFile.write(root ?? server.repository.firstRoot, to: path)
            return try code(await run(["--metadata-dir", folder.path + "/metadata", "init", path]))
        }

        func refresh() async throws -> Bool {
            try code(
                await run([
                    "--metadata-url", address + "/metadata/", "--metadata-dir", folder.path + "/metadata", "refresh",
                ])
            )
        }

        func download(_ names: String...) async throws -> Bool {
            try code(
                await run(
                    ["--metadata-url", address + "/metadata", "--metadata-dir", folder.path + "/metadata"]
                        + names.flatMap { ["--target-name", $0] }
                        + [
                            "--target-dir", folder.path + "/targets", "--target-base-url", address + "/targets",
                            "download",
                        ]
                )
            )
        }

        /// Exit code 0 is true and 1 is false; any other is an error.
        private func code(_ status: Int32) throws -> Bool {
            try #require([0, 1].contains(status), "exit status \(status)")
            return status == 0
        }

        func stored(_ role: String) throws -> [UInt8]? { try folder.read("metadata/\(role).json") }

        func contents() throws -> [[UInt8]] {
            try folder.names(in: "targets").compactMap { try folder.read("targets/" + $0) }
        }
    }

    private func withSession(
        _ repository: RepositorySimulator? = nil,
        _ body: @Sendable @escaping (Session) async throws -> Void
    ) async throws {
        let server = SimulatedServer(try repository ?? Self.repository())
        let folder = try TemporaryFolder()
        try await LoopbackServer.run { request in
            guard request.method == "GET" else { return .init(405) }
            guard let bytes = server.file(String(request.path.dropFirst())) else { return .init(404) }
            return .init(200, .bytes(bytes))
        } _: { loopback in
            try await body(Session(server: server, folder: folder, address: loopback.address))
        }
    }

    @Test("init, refresh: four requests, four files")
    func refresh() async throws {
        try await withSession { (session: Session) async throws in
            #expect(try await session.initialize())
            #expect(session.server.requests().isEmpty)
            #expect(try await session.refresh())
            #expect(
                session.server.requests() == [
                    "metadata/2.root.json", "metadata/timestamp.json", "metadata/1.snapshot.json",
                    "metadata/1.targets.json",
                ]
            )
            for role in ["root", "timestamp", "snapshot", "targets"] {
                #expect(try session.stored(role) == session.server.repository.current(role))
            }
        }
    }

    @Test("a wrong command line ends with 1")
    func usage() async throws {
        try await withSession { (session: Session) async throws in
            for arguments in [[], ["refresh"], ["--metadata-dir", "/tmp/x"], ["--metadata-dir", "/tmp/x", "dance"]] {
                #expect(try await session.run(arguments) == 1)
            }
            #expect(try await session.run(["--metadata-dir", session.folder.path, "refresh"]) == 1)
            #expect(try await session.run(["--metadata-dir", session.folder.path, "init"]) == 1)
        }
    }

    @Test("an initial root without a version or a valid signature: refresh fails and asks for nothing")
    func badRoot() async throws {
        try await withSession { (session: Session) async throws in
            let unsigned = try RepositorySimulator.sign(
                try session.server.repository.signed("root"),
                [TestKey("stranger")]
            )
            for root in [Array("{}".utf8), unsigned.bytes] {
                _ = try await session.initialize(root)
                #expect(try await session.refresh() == false)
                #expect(session.server.requests().isEmpty)
            }
        }
    }

    @Test("download refreshes, finds files in sub-folders, and does not fetch what is already there")
    func download() async throws {
        var repository = try Self.repository()
        repository.add("path/to/a file.txt", [1, 2, 3])
        repository.add("other", [4])
        try repository.publishTargets("targets")
        try await withSession(repository) { (session: Session) async throws in
            #expect(try await session.initialize())
            #expect(try await session.download("nonexistent") == false)
            #expect(try session.stored("targets") == session.server.repository.current("targets"))
            #expect(try await session.download("path/to/a file.txt", "other"))
            #expect(try session.contents().sorted { $0.count < $1.count } == [[4], [1, 2, 3]])
            _ = session.server.requests()
            #expect(try await session.download("other"))
            #expect(!session.server.requests().contains { $0.hasPrefix("targets/") })
        }
    }

    @Test("a substituted file is not stored, and a changed one replaces its older content")
    func substituted() async throws {
        var repository = try Self.repository()
        repository.add("file", [1])
        try repository.publishTargets("targets")
        try await withSession(repository) { (session: Session) async throws in
            #expect(try await session.initialize())
            #expect(try await session.download("file"))
            try session.server.change {
                $0.add("file", [2, 2])
                try $0.publishTargets("targets")
                for path in $0.files.keys where path.hasPrefix("targets/") { $0.files[path] = [6, 6] }
            }
            #expect(try await session.download("file") == false)
            #expect(try session.contents() == [[1]])
            try session.server.change { $0.add("file", [2, 2]) }
            #expect(try await session.download("file"))
            #expect(try session.contents() == [[2, 2]])
        }
    }

    @Test(
        "rollback, freeze and under-threshold end with 1 and leave the stored metadata",
        arguments: ["rollback", "freeze", "threshold"]
    )
    func attacks(kind: String) async throws {
        var repository = try Self.repository()
        try repository.publish("timestamp")
        try await withSession(repository) { (session: Session) async throws in
            #expect(try await session.initialize())
            #expect(try await session.refresh())
            let stored = try session.stored("timestamp")
            try session.server.change {
                switch kind {
                case "rollback":
                    $0.versions["timestamp"] = 1
                    try $0.republish("timestamp")
                case "freeze":
                    $0.expires["timestamp"] = WallClock.now().adding(seconds: -60)
                    try $0.publish("timestamp")
                default:
                    $0.signers["timestamp"] = [TestKey("stranger")]
                    try $0.publish("timestamp")
                }
            }
            #expect(try await session.refresh() == false)
            #expect(try session.stored("timestamp") == stored)
        }
    }

    @Test("the metadata python-tuf wrote is refreshed from, and its files found")
    func pythonTUF() async throws {
        var repository = try RepositorySimulator()
        repository.files = [:]
        for name in try Directory.entries(TestVectors.folder + "/tuf/metadata") {
            repository.files["metadata/" + name] = try TestVectors.read("tuf/metadata/" + name)
        }
        for (path, content) in [("hello.txt", "hello\n"), ("bins/one", "bins/one"), ("hashed/f", "hashed")] {
            var other = try RepositorySimulator()
            other.files = [:]
            let bytes = Array(content.utf8)
            other.add(path, bytes)
            for (address, bytes) in other.files { repository.files[address] = bytes }
        }
        try await withSession(repository) { (session: Session) async throws in
            #expect(try await session.initialize())
            #expect(try await session.download("hello.txt", "bins/one"))
            #expect(try session.contents().count == 2)
            #expect(try session.folder.names(in: "metadata").contains("bins.json"))
        }
    }
}
