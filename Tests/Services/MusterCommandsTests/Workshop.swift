import ByteCoding
import CanonicalJSON
import Glibc
import MusterCommands
import MusterModel
import MusterSigners
import MusterSystem
import MusterTestSupport
import Synchronization

/// A fake service and the machines of several people, in one temporary folder that goes away at the end.
struct Workshop: Sendable {
    /// The fake service; knows nothing where the real one runs.
    let service: FakeService
    let address: String
    let folder: String
    /// The set-up token.
    let token: String
    let now: @Sendable () -> UTCTime

    /// Runs `body` in a new workshop.
    static func run<Value: Sendable>(_ body: (Workshop) async throws -> Value) async throws -> Value {
        let folder = "/tmp/muster-commands-\(getpid())-\(UInt64.random(in: 0 ... .max))"
        try Directory.create(folder)
        let service = FakeService()
        do {
            let value = try await LoopbackServer.run(answer: service.answer) { server in
                try await body(
                    Workshop(
                        service: service,
                        address: server.address,
                        folder: folder,
                        token: service.token,
                        now: { FakeService.time }
                    )
                )
            }
            await remove(folder)
            return value
        } catch {
            await remove(folder)
            throw error
        }
    }

    /// Runs `body` in a workshop with the real `musterd`, which gets `options` too.
    static func real<Value: Sendable>(
        _ options: [String] = [],
        _ body: (Workshop) async throws -> Value
    ) async throws -> Value {
        let folder = "/tmp/muster-commands-\(getpid())-\(UInt64.random(in: 0 ... .max))"
        try Directory.create(folder)
        let program = try RunningProgram(
            BuiltProgram("musterd").path,
            ["serve", "--state-dir", folder + "/service", "--listen", "127.0.0.1:0"] + options,
            log: folder + "/musterd.log"
        )
        do {
            let workshop = Workshop(
                service: FakeService(),
                address: try await address(program),
                folder: folder,
                token: String(
                    decoding: try BoundedFile.read(folder + "/service/setup-token", limit: 4096),
                    as: UTF8.self
                ),
                now: WallClock.now
            )
            let value = try await body(workshop)
            await program.end()
            await remove(folder)
            return value
        } catch {
            await program.end()
            await remove(folder)
            throw error
        }
    }

    private static func address(_ program: RunningProgram) async throws -> String {
        for _ in 0..<600 {
            let line = program.output.split(separator: "\n").first { $0.contains("listening on ") }
            if let address = line?.split(separator: " ").last {
                return address.hasPrefix("http://") ? String(address) : "http://\(address)"
            }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw Failure.command("musterd did not start: " + program.output)
    }

    /// A fleet that ada made, with these thresholds.
    static func fleet<Value: Sendable>(
        _ options: [String] = [],
        _ body: (Workshop, Person) async throws -> Value
    ) async throws -> Value {
        try await run { workshop in
            let ada = try await workshop.person("ada")
            try await ada.makesFleet(options)
            return try await body(workshop, ada)
        }
    }

    /// A person with a machine and an SSH key of their own.
    func person(_ name: String, kind: Terminal.Kind = Terminal.Kind()) async throws -> Person {
        let home = folder + "/" + name
        try Directory.create(home + "/.ssh")
        let result = try await Command(
            "/usr/bin/ssh-keygen",
            ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", home + "/.ssh/id_ed25519"]
        ).run(timeout: .seconds(60))
        guard result.succeeded else { throw Failure.command(result.errorText) }
        try AtomicFile.write(Array("correct horse\n".utf8), to: home + "/passphrase")
        return Person(name: name, home: home, workshop: self, kind: kind)
    }

    /// A Debian package, built by dpkg-deb; the file is named as usual unless told.
    func package(
        _ name: String = "hello",
        _ version: String,
        architecture: String = "all",
        content: String = "",
        fileName: String? = nil
    ) async throws -> String {
        let root = folder + "/build-\(UInt64.random(in: 0 ... .max))"
        try Directory.create(root + "/DEBIAN", mode: 0o755)
        chmod(root, 0o755)
        try Directory.create(root + "/usr/share/\(name)", mode: 0o755)
        try AtomicFile.write(Array(content.utf8), to: root + "/usr/share/\(name)/content", mode: 0o644)
        let control = """
            Package: \(name)
            Version: \(version)
            Architecture: \(architecture)
            Maintainer: Tests <tests@example.org>
            Description: made by a test

            """
        try AtomicFile.write(Array(control.utf8), to: root + "/DEBIAN/control", mode: 0o644)
        let path = folder + "/" + (fileName ?? "\(name)_\(version)_\(architecture).deb")
        let result = try await Command(
            "/usr/bin/dpkg-deb",
            ["--root-owner-group", "-Zgzip", "--build", root, path]
        ).run(timeout: .seconds(120))
        guard result.succeeded else { throw Failure.command(result.errorText) }
        return path
    }

    enum Failure: Error {
        case command(String)
    }

    private static func remove(_ folder: String) async {
        _ = try? await Command("/bin/rm", ["-rf", folder]).run(timeout: .seconds(120))
    }
}

/// One person at one machine.
struct Person: Sendable {
    let name: String
    let home: String
    let workshop: Workshop
    let kind: Terminal.Kind
    /// Seconds by which this machine's clock is ahead.
    var ahead: Int64 = 0

    /// The same machine so many days later.
    func later(days: Int64) -> Person {
        var person = self
        person.ahead += days * 86400
        return person
    }

    /// What a command printed and how it ended.
    struct Outcome: Sendable {
        let status: Int32
        let output: String
        let errors: String

        var all: String { output + errors }
    }

    var folder: ConfigurationFolder { ConfigurationFolder(path: home + "/config") }

    /// Runs `muster ARGUMENTS…` in this process.
    @discardableResult
    func muster(_ arguments: String...) async -> Outcome { await muster(arguments) }

    @discardableResult
    func muster(_ arguments: [String]) async -> Outcome {
        let written = Written()
        let terminal = Terminal(kind) { text, stream in written.add(text, stream) }
        let context = CommandContext(
            folder: folder,
            terminal: terminal,
            environment: ["HOME": home, "USER": name],
            workingDirectory: home,
            keyCost: .minimal,
            now: { [now = workshop.now, ahead] in now().adding(seconds: ahead) }
        )
        let status = await MusterProgram.run(arguments, context)
        return Outcome(status: status, output: written.output, errors: written.errors)
    }

    /// Runs a command that needs the passphrase.
    @discardableResult
    func signs(_ arguments: String...) async -> Outcome {
        await muster(arguments + ["--passphrase-file", home + "/passphrase"])
    }

    func makesFleet(_ options: [String]) async throws {
        try AtomicFile.write(Array((workshop.token + "\n").utf8), to: home + "/token")
        let outcome = await muster(
            [
                "fleet", "init", "--service", workshop.address, "--setup-token-file", home + "/token",
                "--passphrase-file", home + "/passphrase",
            ] + options
        )
        guard outcome.status == 0 else { throw Workshop.Failure.command(outcome.all) }
    }

    /// Joins the fleet and takes over a sealed key of `other`.
    func joins(takingFrom other: Person, key: String) async throws {
        let bytes = try BoundedFile.read(other.folder.path + "/fleet.json", limit: 4096)
        let fleet = try JSONFields(JSONValue.parse(bytes, limit: 4096)).string("fleet")
        let outcome = await muster("fleet", "join", "--service", workshop.address, "--fleet", fleet)
        guard outcome.status == 0 else { throw Workshop.Failure.command(outcome.all) }
        try Directory.create(home + "/config/keys")
        try AtomicFile.rename(other.home + "/config/keys/" + key, to: home + "/config/keys/" + key)
    }

    private final class Written: Sendable {
        private let texts = Mutex((output: "", errors: ""))

        var output: String { texts.withLock { $0.output } }
        var errors: String { texts.withLock { $0.errors } }

        func add(_ text: String, _ stream: Terminal.Stream) {
            texts.withLock {
                switch stream {
                case .output: $0.output += text
                case .error: $0.errors += text
                }
            }
        }
    }
}
