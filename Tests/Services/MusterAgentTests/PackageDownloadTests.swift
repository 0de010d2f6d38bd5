import ByteCoding
import MusterAgent
import MusterClient
import MusterModel
import MusterSystem
import MusterTestSupport
import SignatureVerification
import Synchronization
import Testing

@Suite struct PackageDownloadTests {
    /// A source that answers each call by the next of its scripts.
    final class Script: PackageSource {
        /// Bytes to send, whether to resume, how to end, and milliseconds that pass with each piece.
        struct Answer: Sendable {
            var bytes: [UInt8]
            var resumes = true
            var failure: DownloadError.Code?
            var milliseconds: Int64 = 0
        }

        private let answers: Mutex<[Answer]>
        let offsets = Mutex<[Int64]>([])
        let now = Mutex<Int64>(0)

        init(_ answers: [Answer]) {
            self.answers = Mutex(answers)
        }

        func read(
            _ target: UpgradeBody.Target,
            from offset: Int64,
            start: (Int64) throws(DownloadError) -> Void,
            receive: ([UInt8]) throws(DownloadError) -> Void
        ) async throws(DownloadError) {
            offsets.withLock { $0.append(offset) }
            guard let answer = answers.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) else {
                throw DownloadError(.unreachable, "the script is over")
            }
            let begin = answer.resumes ? offset : 0
            try start(begin)
            var rest = answer.bytes.dropFirst(Int(begin))
            while !rest.isEmpty {
                now.withLock { $0 += answer.milliseconds }
                try receive(Array(rest.prefix(100)))
                rest = rest.dropFirst(100)
            }
            if let failure = answer.failure { throw DownloadError(failure, "as the script says") }
        }
    }

    private static let content = (0..<5000).map { UInt8(truncatingIfNeeded: $0 &* 31) }

    private static func release(_ content: [UInt8] = content, length: Int64? = nil) -> InstalledRelease {
        InstalledRelease(
            target: UpgradeBody.Target(
                path: "releases/probe_1.0_all.deb",
                length: length ?? Int64(content.count),
                sha256: Digest.sha256(content)
            ),
            version: "1.0",
            counter: 1
        )
    }

    private static func download(_ folder: TemporaryFolder, _ script: Script) throws -> PackageDownload {
        let paths = AgentPaths(folder.path)
        try paths.create()
        var clock = AgentClock.system
        clock.monotonic = { script.now.withLock { $0 } }
        return PackageDownload(paths: paths, source: script, clock: clock)
    }

    private static func files(_ folder: TemporaryFolder) throws -> [String] {
        try Directory.entries(folder.file("downloads"))
    }

    @Test("a download that breaks off goes on where it was, hashing what it has")
    func resumed() async throws {
        let folder = try TemporaryFolder()
        let script = Script([
            .init(bytes: Array(Self.content[..<2050]), failure: .unreachable),
            .init(bytes: Array(Self.content[..<3000])),
            .init(bytes: Self.content),
        ])
        let download = try Self.download(folder, script)
        await #expect(throws: DownloadError(.unreachable, "")) { try await download.fetch(Self.release()) }
        // The second ends early without an error of its own: that too is a connection that broke off.
        await #expect(throws: DownloadError(.unreachable, "")) { try await download.fetch(Self.release()) }
        try await download.fetch(Self.release())
        #expect(script.offsets.withLock { $0 } == [0, 2050, 3000])
        #expect(try Self.files(folder) == [Hex.encode(Digest.sha256(Self.content)) + ".deb"])
    }

    @Test("a source that cannot resume begins anew")
    func notResumed() async throws {
        let folder = try TemporaryFolder()
        let script = Script([
            .init(bytes: Array(Self.content[..<2000]), failure: .unreachable),
            .init(bytes: Self.content, resumes: false),
        ])
        let download = try Self.download(folder, script)
        await #expect(throws: DownloadError.self) { try await download.fetch(Self.release()) }
        try await download.fetch(Self.release())
    }

    @Test("endless data ends at the signed length, and nothing of it is kept")
    func endless() async throws {
        let folder = try TemporaryFolder()
        let download = try Self.download(folder, Script([.init(bytes: Self.content + [1])]))
        await #expect(throws: DownloadError(.tooLong, "")) { try await download.fetch(Self.release()) }
        #expect(try Self.files(folder).isEmpty)
    }

    @Test("an arbitrary package of the right length is refused, and nothing of it is kept")
    func wrongContent() async throws {
        let folder = try TemporaryFolder()
        var other = Self.content
        other[4999] ^= 1
        let download = try Self.download(folder, Script([.init(bytes: other)]))
        await #expect(throws: DownloadError(.wrongContent, "")) { try await download.fetch(Self.release()) }
        #expect(try Self.files(folder).isEmpty)
    }

    @Test("what an earlier attempt left in a wrong state is found out and fetched anew")
    func damagedPart() async throws {
        let folder = try TemporaryFolder()
        let script = Script([.init(bytes: Self.content), .init(bytes: Self.content)])
        let download = try Self.download(folder, script)
        let name = Hex.encode(Digest.sha256(Self.content)) + ".deb.part"
        try folder.write("downloads/" + name, [UInt8](repeating: 9, count: 400))
        await #expect(throws: DownloadError(.wrongContent, "")) { try await download.fetch(Self.release()) }
        try await download.fetch(Self.release())
        #expect(script.offsets.withLock { $0 } == [400, 0])
    }

    @Test("slow retrieval is given up")
    func slow() async throws {
        let folder = try TemporaryFolder()
        let download = try Self.download(folder, Script([.init(bytes: Self.content, milliseconds: 5000)]))
        await #expect(throws: DownloadError(.tooSlow, "")) { try await download.fetch(Self.release()) }
    }

    @Test("a file that the disk has no room for is not begun")
    func fullDisk() async throws {
        let folder = try TemporaryFolder()
        let script = Script([.init(bytes: Self.content)])
        let download = try Self.download(folder, script)
        let error = await #expect(throws: DownloadError.self) {
            try await download.fetch(Self.release(length: 1 << 60))
        }
        #expect(error?.code == .diskFull)
        #expect(error?.message.contains("no space left on device") == true)
        #expect(script.offsets.withLock { $0 }.isEmpty)
        #expect(try Self.files(folder).isEmpty)
    }

    @Test("over HTTP the rest is asked for by a range, and a server that dies in the middle is survived")
    func http() async throws {
        let folder = try TemporaryFolder()
        let calls = Mutex<[String]>([])
        let content = Self.content
        let transport = try HTTPTransport()
        let paths = AgentPaths(folder.path)
        try paths.create()
        try await LoopbackServer.run { request in
            let count = calls.withLock { calls in
                calls.append(request.headers["range"] ?? "")
                return calls.count
            }
            if count == 1 { return .init(200, .cutOff(Array(content[..<1500]), promised: content.count)) }
            return .file(content, for: request)
        } _: { server in
            let address = try #require(ServiceAddress(server.address))
            let source = HTTPPackageSource(service: address, transport: transport, idleSeconds: 5)
            let download = PackageDownload(paths: paths, source: source, clock: .system)
            let first = await #expect(throws: DownloadError.self) { try await download.fetch(Self.release()) }
            #expect(first?.code == .unreachable)
            try await download.fetch(Self.release())
        }
        #expect(calls.withLock { $0 } == ["", "bytes=1500-"])
        await transport.close()
    }
}
