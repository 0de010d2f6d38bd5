import ArgumentParser
import ByteCoding
import CanonicalJSON
import Glibc
import MusterModel
import MusterSystem
import PackageInstaller
import TUF

struct Verify: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Say whether a file is a trusted release, and why or why not.",
        discussion: """
            Refreshes the fleet's metadata from its pinned root, then compares the file's length, hash and own control data
            with what the release managers signed.

            exit status: 0 the file is trusted; 1 it is not; 2 it could not be found out.
            """
    )

    @Argument(help: "The file.") var file: String

    @Option(help: ArgumentHelp("Its target path, if the file's name is not that of the release.", valueName: "path"))
    var name: String?

    @Flag(help: "As JSON.") var json = false

    func run(_ context: CommandContext) async throws {
        let verdict: Verdict
        do {
            let view = try await context.withService { try await TrustedView.refresh(context, $0.client) }
            verdict = try judge(ReleaseHistory(view.releases()), context)
        } catch let failure as CommandFailure where failure.status == .failed {
            // A repository that is not trusted says nothing about the file.
            throw CommandFailure.undetermined(failure.message)
        } catch let error as SystemError {
            throw CommandFailure.undetermined(error.description)
        }
        report(verdict, context)
        if !verdict.isTrusted { throw ExitCode(1) }
    }

    private struct Verdict {
        let isTrusted: Bool
        let reason: String
        let entry: ReleaseHistory.Entry?
    }

    private func judge(_ history: ReleaseHistory, _ context: CommandContext) throws -> Verdict {
        let open = try OpenFile(file, flags: O_RDONLY | O_NONBLOCK)
        let measured: (length: Int64, sha256: [UInt8])
        do {
            measured = try PackageFile.measure(open)
        } catch {
            throw CommandFailure.undetermined("\(error)")
        }
        let path = name ?? "releases/" + Directory.name(of: file)
        guard let entry = history.entries.first(where: { $0.file.path == path }) else {
            let other = history.entries.first { $0.file.hashes.sha256 == measured.sha256 }
            let hint = other.map { ", but its content is that of \($0.file.path): give --name" } ?? ""
            return Verdict(isTrusted: false, reason: "no signed release is named \(path)" + hint, entry: nil)
        }
        guard measured.length == entry.file.length else {
            return no("has \(measured.length) bytes, signed are \(entry.file.length)", entry)
        }
        guard measured.sha256 == entry.file.hashes.sha256 else {
            return no("has SHA-256 \(Hex.encode(measured.sha256)), which is not the signed one", entry)
        }
        return judge(contentOf: open, entry)
    }

    private func judge(contentOf open: OpenFile, _ entry: ReleaseHistory.Entry) -> Verdict {
        let release = entry.release
        do {
            let identity = try PackageFile.inspect(open).identity
            let signed = "\(release.package) \(release.version) \(release.architecture)"
            guard identity.description == signed else {
                return no("says of itself that it is \(identity), signed is \(signed)", entry)
            }
        } catch {
            return no("is no package that could be installed: \(error)", entry)
        }
        return Verdict(
            isTrusted: true,
            reason: "signed by the release keys as release \(release.counter)",
            entry: entry
        )
    }

    private func no(_ reason: String, _ entry: ReleaseHistory.Entry) -> Verdict {
        Verdict(isTrusted: false, reason: reason, entry: entry)
    }

    private func report(_ verdict: Verdict, _ context: CommandContext) {
        if json {
            context.terminal.json([
                "file": .string(file), "trusted": .bool(verdict.isTrusted), "reason": .string(verdict.reason),
                "path": verdict.entry.map { .string($0.file.path) } ?? .null,
                "release": verdict.entry?.release.json ?? .null,
            ])
            return
        }
        let word = verdict.isTrusted ? StyledText("trusted", .good) : StyledText("not trusted", .loud)
        context.terminal.line(StyledText("\(file): ") + word + StyledText(", \(verdict.reason)"))
        if let release = verdict.entry?.release, verdict.isTrusted {
            context.terminal.line(
                "  \(release.package) \(release.version) \(release.architecture), released \(release.released)"
            )
        }
    }
}
