import Glibc
import MusterSystem

/// Everything that passes an interface, written down by `tcpdump`.
public struct PacketCapture: Sendable {
    /// The file with the packets.
    public let file: String
    private let namespace: NetworkNamespace
    private let program: RunningProgram

    /// Starts to capture; the interface is watched when this returns.
    public init(_ interface: String, in namespace: NetworkNamespace, file: String) async throws {
        self.file = file
        self.namespace = namespace
        let options = ["-i", interface, "-n", "-U", "--immediate-mode", "-s", "0", "-B", "16384"]
        program = try namespace.start(
            "/usr/bin/tcpdump",
            options + ["-Z", "root", "-w", file],
            log: file + ".log"
        )
        for _ in 0..<6000 {
            if program.output.contains("listening on") { return }
            try await Task.sleep(for: .milliseconds(10))
        }
        await program.end()
        throw RunningProgram.Failure("tcpdump does not listen on \(interface): \(program.output)")
    }

    /// The packets that fit a filter of pcap-filter(7), one line each, at most the first thousand.
    public func packets(_ filter: String = "") async throws -> [Substring] {
        let options = ["-r", file, "-nn", "-t", "-c", "1000"] + (filter.isEmpty ? [] : [filter])
        let result = try await Command("/usr/bin/tcpdump", options).run(timeout: .seconds(120), outputLimit: 1 << 22)
        guard result.succeeded else {
            throw RunningProgram.Failure("tcpdump -r \(result.endingText): \(result.errorText)")
        }
        return result.outputText.split(separator: "\n")
    }

    /// Whether the text is anywhere in what was captured.
    public func holds(_ text: String) async throws -> Bool {
        let options = ["-a", "-q", "-F", "-e", text, file]
        let result = try await Command("/usr/bin/grep", options).run(timeout: .seconds(120))
        guard [.exited(0), .exited(1)].contains(result.ending) else {
            throw RunningProgram.Failure("grep \(result.endingText): \(result.errorText)")
        }
        return result.succeeded
    }

    /// Ends the capture; every packet so far is in the file afterwards.
    public func end() async {
        program.signal(SIGINT)
        if await program.exit(within: .seconds(5)) == nil { await program.end() }
    }

    /// How many packets tcpdump says that the kernel dropped; nil before the end.
    public var dropped: Int? {
        for line in program.output.split(separator: "\n") where line.hasSuffix("dropped by kernel") {
            return line.split(separator: " ").first.flatMap { Int($0) }
        }
        return nil
    }
}
