import ArgumentParser
import Glibc
import MusterSystem
import PackageInstaller

struct ReleaseBundle: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "bundle",
        abstract: "Put packages that must change together into one file, to be released as one.",
        discussion: """
            Some packages demand each other's exact version, as openssh-server does of openssh-client: one rollout for each
            could not go back. A set is installed by one run of dpkg, and goes back the same way. It is called by its
            first package; nodes take it only where all its packages are installed, and only where the fleet has a set of
            the same packages in the versions that are installed to go back to.

            Then: muster release add, with the file that was written.
            """
    )

    @Argument(help: ArgumentHelp("Debian packages, the one that gives the set its name first.", valueName: "file.deb"))
    var files: [String]

    @Option(name: [.short, .long], help: "The folder to write to.") var output = "."

    func validate() throws {
        guard (2...16).contains(files.count) else { throw ValidationError("a set has 2 to 16 packages") }
    }

    func run(_ context: CommandContext) async throws {
        let folder = context.absolute(output)
        let temporary = folder + "/.muster-bundle-\(getpid())"
        defer { unlink(temporary) }
        do {
            let packages = try files.map { try OpenFile($0, flags: O_RDONLY | O_NONBLOCK) }
            let set = try OpenFile(temporary, flags: O_RDWR | O_CREAT | O_EXCL, mode: 0o644)
            try DebianSet.write(packages, to: set)
            let package = try PackageFile.inspect(set)
            let path = folder + "/" + package.fileName
            try AtomicFile.rename(temporary, to: path)
            for identity in [package.identity] + package.companions { context.terminal.line(StyledText("\(identity)")) }
            context.terminal.line(StyledText("written to \(path)", .bold))
        } catch let error as PackageError {
            throw CommandFailure.refused("no set was written: \(error)")
        }
    }
}
