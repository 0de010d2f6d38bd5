import Glibc
import MusterSystem
import MusterTestSupport
import Testing

@testable import PackageInstaller

/// The three sources behind the one protocol: real dpkg, real rpm, and tarballs, each below a root of its own.
@Suite struct PackageSourceTests {}

/// A root folder of one test, and files beside it.
struct SourceFixture: Sendable {
    let folder: TemporaryFolder
    let root: String

    init() throws {
        folder = try TemporaryFolder()
        root = folder.file("root")
        try Directory.create(root, mode: 0o755)
    }

    static var limits: InstallLimits {
        var limits = InstallLimits()
        limits.run = .seconds(300)
        limits.grace = .seconds(2)
        limits.lock = .seconds(240)
        limits.firstLockWait = .milliseconds(20)
        return limits
    }

    /// Opens a file with these contents.
    func file(_ name: String, _ bytes: [UInt8]) throws -> OpenFile {
        try OpenFile(try folder.write("files/\(UInt64.random(in: .min ... .max))/\(name)", bytes))
    }

    func file(_ package: TestPackage) async throws -> OpenFile { try file(package.fileName, try await package.build()) }

    func file(_ package: TestRPM) async throws -> OpenFile { try file(package.fileName, try await package.build()) }

    /// The text of a file below the root.
    func text(_ path: String) throws -> String {
        String(decoding: try BoundedFile.read(root + "/" + path, limit: 65536), as: UTF8.self)
    }

    /// Puts a shell with its libraries below the root, for scripts that see nothing else.
    func addShell() async throws {
        let listed = try await Command("/usr/bin/ldd", ["/bin/dash"]).run(timeout: .seconds(60))
        let libraries = listed.outputText.split(whereSeparator: \.isWhitespace).map(String.init).filter {
            $0.hasPrefix("/")
        }
        for (from, to) in [("/bin/dash", "/bin/sh")] + libraries.map({ ($0, $0) }) {
            try Directory.create(Directory.parent(of: root + to), mode: 0o755)
            let copied = try await Command("/bin/cp", ["-L", from, root + to]).run(timeout: .seconds(60))
            try #require(copied.succeeded, "\(copied.errorText)")
        }
    }

    /// Another process that holds a lock as package managers do, until the returned file is removed.
    func holdLock(_ path: String) async throws -> (release: String, ended: Task<CommandResult, any Error>) {
        let held = folder.file("held")
        let script = """
            open(my $lock, '+<', $ARGV[0]) or die; my $struct = pack('s s l! l! i', 1, 0, 0, 0, 0);
            fcntl($lock, 6, $struct) or die; open(my $held, '>', $ARGV[1]) or die; close($held);
            select(undef, undef, undef, 0.05) while -e $ARGV[1];
            """
        let ended = Task {
            try await Command("/usr/bin/perl", ["-e", script, path, held]).run(timeout: .seconds(600))
        }
        try await wait { Directory.exists(held) }
        return (held, ended)
    }

    /// Waits for a condition, minutes if need be.
    func wait(_ condition: () -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(240)
        while !condition() {
            try #require(ContinuousClock.now < deadline, "it never came to it")
            try await Task.sleep(for: .milliseconds(20))
        }
    }
}
