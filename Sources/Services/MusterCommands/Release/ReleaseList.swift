import ArgumentParser
import ByteCoding
import CanonicalJSON
import MusterModel
import TUF

struct ReleaseList: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "The trusted releases, newest first within each package."
    )

    @Argument(help: "Only this package.") var package: String?

    @Flag(help: "As JSON.") var json = false

    func run(_ context: CommandContext) async throws {
        let view = try await context.withService { try await TrustedView.refresh(context, $0.client) }
        let releases = try view.releases()
        let history = ReleaseHistory(releases)
        let entries = package.map { history.of($0) } ?? history.entries
        if json {
            context.terminal.json([
                "version": .integer(releases.version), "releases": .array(entries.map(Self.json)),
            ])
            return
        }
        var table = Table("PACKAGE", "VERSION", "ARCH", "RELEASE", "SIZE", "RELEASED", "SHA256", "NOTES")
        for entry in entries {
            let release = entry.release
            table.row(
                StyledText(release.package),
                StyledText(release.version, .bold),
                StyledText(release.architecture),
                StyledText("\(release.counter)"),
                StyledText(Moments.size(entry.file.length)),
                StyledText(Moments.ago(release.released, now: context.now())),
                StyledText(String(Hex.encode(entry.file.hashes.sha256 ?? []).prefix(12)), .faint),
                (release.security ? StyledText("security ", .loud) : "") + StyledText(release.notes)
            )
        }
        guard !table.isEmpty else {
            context.terminal.note("no releases yet: muster release add FILE")
            return
        }
        context.terminal.table(table)
    }

    private static func json(_ entry: ReleaseHistory.Entry) -> JSONValue {
        guard case .object(var object) = entry.release.json else { return .null }
        object["path"] = .string(entry.file.path)
        object["length"] = .integer(entry.file.length)
        object["sha256"] = .string(Hex.encode(entry.file.hashes.sha256 ?? []))
        return .object(object)
    }
}
