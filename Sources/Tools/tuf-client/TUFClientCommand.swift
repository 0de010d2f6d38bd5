import ArgumentParser
import ByteCoding
import Glibc
import MusterSystem
import TUFClient

/// The command line of the TUF conformance suite, on the trust code that the agent uses.
struct TUFClientCommand: ParsableArguments {
    enum Action: String, ExpressibleByArgument {
        case initialize = "init"
        case refresh
        case download
    }

    @Option(help: "Folder of the trusted metadata.")
    var metadataDir: String

    @Option(help: "URL of the repository's metadata.")
    var metadataURL: String?

    @Option(help: "Path of a target file; may be given several times.")
    var targetName: [String] = []

    @Option(help: "Folder for downloaded files.")
    var targetDir: String?

    @Option(help: "URL of the repository's target files.")
    var targetBaseURL: String?

    @Argument(help: "init, refresh or download.")
    var action: Action

    @Argument(help: "For init: the file of the trusted root.")
    var root: String?

    func run() async throws {
        let connections = HTTPConnections()
        do {
            try await run(connections)
        } catch {
            await connections.shutdown()
            throw error
        }
        await connections.shutdown()
    }

    /// Says on standard error what went wrong; returns the exit code.
    static func report(_ error: any Error) -> Int32 {
        let isHelp = exitCode(for: error).isSuccess
        let text = isHelp ? fullMessage(for: error) : "tuf-client: " + message(for: error)
        let stream = OpenFile(descriptor: dup(isHelp ? STDOUT_FILENO : STDERR_FILENO), path: "standard error")
        try? stream.write(Array((text + "\n").utf8))
        return isHelp ? 0 : 1
    }

    private func run(_ connections: HTTPConnections) async throws {
        let now = WallClock.now()
        let fetcher = HTTPFetcher(metadataURL ?? "", connections: connections)
        let client = TUFClient(directory: MetadataDirectory(metadataDir), fetcher: fetcher)
        switch action {
        case .initialize:
            guard let root else { throw ValidationError("init needs the file of the trusted root") }
            try client.initialize(root: try BoundedFile.read(root, limit: 512_000), at: now)
        case .refresh:
            guard metadataURL != nil else { throw ValidationError("refresh needs --metadata-url") }
            _ = try await client.refresh(at: now)
        case .download:
            guard metadataURL != nil, let targetDir, let targetBaseURL, !targetName.isEmpty else {
                throw ValidationError(
                    "download needs --metadata-url, --target-name, --target-dir and --target-base-url"
                )
            }
            let source = HTTPFetcher(targetBaseURL, connections: connections)
            var trusted = try await client.refresh(at: now)
            for name in targetName {
                guard let file = try await client.targetFile(name, in: &trusted) else {
                    throw ValidationError("\(name): no trusted metadata describes it")
                }
                let download = try TargetDownload(file, in: trusted)
                _ = try await download.run(from: source, to: targetDir + "/" + LocalFileName.of(name))
            }
        }
    }
}
