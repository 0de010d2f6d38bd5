import MusterSystem

/// A package manager's program: never asks, is ended when its time is over, and its failures are told apart by its words.
struct PackageManagerProgram: Sendable {
    /// Its name in messages.
    let name: String
    /// How long it may take.
    let limits: InstallLimits
    /// What it says when another process holds its lock.
    let lockedWords: [String]

    func run(
        _ program: String,
        _ arguments: [String],
        inherited: [OpenFile] = [],
        outputLimit: Int = 65536
    ) async throws(PackageError) -> CommandResult {
        var environment = Command.plainEnvironment
        environment["DEBIAN_FRONTEND"] = "noninteractive"
        environment["HOME"] = "/root"
        let command = Command(program, arguments, environment: environment, inherited: inherited)
        do throws(SystemError) {
            return try await command.run(timeout: limits.run, grace: limits.grace, outputLimit: outputLimit)
        } catch {
            throw PackageError(.unavailable, "\(error)")
        }
    }

    /// What a failed run means; `attempt` is a verb phrase.
    func error(_ attempt: String, _ result: CommandResult) -> PackageError {
        let said = result.errorText
        let code: PackageError.Code =
            if result.timedOut {
                .hung
            } else if lockedWords.contains(where: said.contains) {
                .locked
            } else if said.contains("No space left on device") || said.contains("Disk quota exceeded") {
                .diskFull
            } else {
                .failed
            }
        return PackageError(code, "cannot \(attempt): \(name) \(result.endingText); it said: \(Self.tail(of: result))")
    }

    /// Makes the folder below which a package manager keeps all that is its own.
    static func createRoot(_ path: String) throws(PackageError) {
        do throws(SystemError) {
            try Directory.create(path, mode: 0o755)
        } catch {
            throw PackageError(error.isDiskFull ? .diskFull : .unavailable, "\(error)")
        }
    }

    /// The last lines on one line: scripts write to both streams, the program's own complaint comes at the end.
    static func tail(of result: CommandResult) -> String {
        let lines = (result.outputText + "\n" + result.errorText).split(separator: "\n").filter {
            // Debian's rpm says two lines of warning each time it is used at all.
            !$0.hasPrefix("rpm: RPM should not be used directly") && !$0.hasPrefix("rpm: However assuming you know")
        }.suffix(12)
        let text = lines.map { line in
            String(String.UnicodeScalarView(line.unicodeScalars.filter { $0.properties.generalCategory != .control }))
        }
        // Bytes, since a character can be of any length; one that is cut in two is left out.
        let end = text.joined(separator: "; ").utf8.suffix(1200).drop { $0 & 0xC0 == 0x80 }
        return end.isEmpty ? "nothing" : String(decoding: end, as: UTF8.self)
    }
}
