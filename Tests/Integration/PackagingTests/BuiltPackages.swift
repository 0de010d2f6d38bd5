import MusterModel
import MusterSystem
import MusterTestSupport
import Synchronization

/// The Debian packages of the three programs, made by `packaging/deb` from what was built beside these tests.
///
/// Once for each test process: of revision 1 all, of revision 2, which is to follow, those with a service.
struct BuiltPackages: Sendable {
    static let names = ["musterd", "muster-agent", "muster"]

    /// The folder with the programs, linked so that they run on any Debian.
    let programs: String
    /// The folder with the packages.
    let packages: String
    private let folder: TemporaryFolder

    /// The folder of the sources.
    static let root = #filePath.split(separator: "/").dropLast(4).reduce("") { $0 + "/" + $1 }

    private static let made = Mutex<Task<BuiltPackages, any Error>?>(nil)

    /// The packages of this process, built by the first who asks.
    static func shared() async throws -> BuiltPackages {
        let task = made.withLock { made in
            let task = made ?? Task { try await BuiltPackages() }
            made = task
            return task
        }
        return try await task.value
    }

    private init() async throws {
        folder = try TemporaryFolder()
        programs = folder.file("programs")
        packages = folder.file("packages")
        let built = try BuiltProgram("musterd").path.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 }
        try await Self.script("relink", [built, programs] + Self.names)
        try await Self.script("deb", ["--from", programs, "--to", packages, "--quick"])
        try await Self.script(
            "deb",
            ["--from", programs, "--to", packages, "--quick", "--revision", "2", "musterd", "muster-agent"]
        )
    }

    /// The file name of a package.
    static func fileName(_ name: String, revision: Int = 1) async throws -> String {
        let architecture = try await output("/usr/bin/dpkg", ["--print-architecture"])
        let word = architecture.prefix { !$0.isWhitespace }
        return "\(name)_\(MusterVersion.text)-\(revision)_\(word).deb"
    }

    /// The path of a package.
    func file(_ name: String, revision: Int = 1) async throws -> String {
        try await packages + "/" + Self.fileName(name, revision: revision)
    }

    /// Runs a script of `packaging`.
    static func script(_ name: String, _ arguments: [String], environment: [String: String] = [:]) async throws {
        var variables = Command.ownEnvironment
        variables.merge(environment) { $1 }
        let command = Command(
            root + "/packaging/" + name,
            arguments,
            environment: variables,
            workingDirectory: root
        )
        let result = try await command.run(timeout: .seconds(1200))
        guard result.succeeded else {
            throw RunningProgram.Failure("packaging/\(name) \(result.endingText): \(result.errorText)")
        }
    }

    /// What a program of this machine prints; it must succeed.
    static func output(_ program: String, _ arguments: [String]) async throws -> String {
        let result = try await Command(program, arguments).run(timeout: .seconds(300), outputLimit: 1 << 22)
        guard result.succeeded else {
            throw RunningProgram.Failure("\(program) \(arguments) \(result.endingText): \(result.errorText)")
        }
        return result.outputText
    }
}
