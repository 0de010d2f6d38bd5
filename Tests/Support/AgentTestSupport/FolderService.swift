import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterAgent
import MusterModel
import MusterSystem

/// A fleet service that is a folder: `manifest` and `sequence` are what it hands out, `reports` what it got, a line each.
///
/// Of each run, `run-ID` is the last that it was told, `run-ID.output` what the process wrote, `run-ID.log` the states that it was
/// told, a line each; while there is a file `cancel-ID` it asks for the end of the run.
///
/// Who asks for a visit is in `reach`, a line each; while there is a file `gone`, nothing of all this can be reached.
///
/// Nobody has to run, so a node may be killed and started again without losing it.
public struct FolderService: FleetService, RunService, ReachService {
    private let folder: String

    /// The service in that folder, which exists.
    public init(_ folder: String) {
        self.folder = folder
    }

    /// Lets every node that knows less than `sequence` have this manifest.
    public func offer(_ envelope: [UInt8], sequence: Int64) throws {
        try AtomicFile.write(envelope, to: folder + "/manifest")
        try AtomicFile.write(Array("\(sequence)".utf8), to: folder + "/sequence")
    }

    /// From now on no report is taken, and nothing of any run.
    public func closeForReports() throws {
        try AtomicFile.write([], to: folder + "/closed")
    }

    /// Reports are taken again.
    public func open() throws {
        try AtomicFile.remove(folder + "/closed")
    }

    /// From now on the service cannot be reached at all, until it is back.
    public func vanish() throws {
        try AtomicFile.write([], to: folder + "/gone")
    }

    /// The service can be reached again.
    public func comeBack() throws {
        try AtomicFile.remove(folder + "/gone")
    }

    /// Notes that a node asks for a visit; nobody comes by itself.
    public func reach(_ request: ReachRequest) async throws(FleetServiceError) -> ReachReply {
        do throws(SystemError) {
            try beThere()
            let before = try BoundedFile.readIfPresent(folder + "/reach", limit: 1 << 20) ?? []
            try AtomicFile.write(before + request.json.canonicalBytes + [UInt8(ascii: "\n")], to: folder + "/reach")
        } catch {
            throw FleetServiceError("\(error)")
        }
        return ReachReply(asked: 0, detail: "no node is in contact that reaches others")
    }

    /// Who asked for visits, oldest first.
    public func visitsAskedFor() throws -> [ReachRequest] {
        let bytes = try BoundedFile.readIfPresent(folder + "/reach", limit: 1 << 20) ?? []
        return try bytes.split(separator: UInt8(ascii: "\n")).map { try ReachRequest.parse(Array($0)) }
    }

    private func beThere() throws(SystemError) {
        guard !Directory.exists(folder + "/gone") else {
            throw SystemError("reach", folder, because: "the service is gone")
        }
    }

    /// Every report that came, oldest first.
    public func reports() throws -> [NodeReport] {
        let bytes = try BoundedFile.readIfPresent(folder + "/reports", limit: 1 << 30) ?? []
        return try bytes.split(separator: UInt8(ascii: "\n")).map { try NodeReport.parse(Array($0)) }
    }

    /// Keeps the report.
    public func report(_ report: NodeReport) async throws(FleetServiceError) -> ReportReply {
        do throws(SystemError) {
            try beThere()
            guard !Directory.exists(folder + "/closed") else {
                throw SystemError("reach", folder, because: "it is closed")
            }
            let before = try BoundedFile.readIfPresent(folder + "/reports", limit: 1 << 30) ?? []
            try AtomicFile.write(before + report.json.canonicalBytes + [UInt8(ascii: "\n")], to: folder + "/reports")
            return ReportReply(nextSeconds: 60, time: UTCTime(seconds: 0))
        } catch {
            throw FleetServiceError("\(error)")
        }
    }

    /// Keeps what a node says of a run, output once only.
    public func update(_ run: RunID, _ update: RunUpdate) async throws(FleetServiceError) -> RunUpdateReply {
        do throws(SystemError) {
            try beThere()
            guard !Directory.exists(folder + "/closed") else {
                throw SystemError("reach", folder, because: "it is closed")
            }
            let path = folder + "/run-\(run)"
            var output = try BoundedFile.readIfPresent(path + ".output", limit: 1 << 30) ?? []
            let new = update.output.flatMap(\.data)
            if update.offset <= output.count, Int(update.offset) + new.count > output.count {
                output += new[(output.count - Int(update.offset))...]
                try AtomicFile.write(output, to: path + ".output")
            }
            let log = try BoundedFile.readIfPresent(path + ".log", limit: 1 << 20) ?? []
            try AtomicFile.write(log + Array((update.state.rawValue + "\n").utf8), to: path + ".log")
            try AtomicFile.write(update.json.canonicalBytes, to: path)
            return RunUpdateReply(
                received: Int64(output.count),
                cancel: Directory.exists(folder + "/cancel-\(run)")
            )
        } catch {
            throw FleetServiceError("\(error)")
        }
    }

    /// The last that a node said of a run; nil where it said nothing.
    public func lastUpdate(_ run: RunID) throws -> RunUpdate? {
        try BoundedFile.readIfPresent(folder + "/run-\(run)", limit: 1 << 20).map { try RunUpdate.parse($0) }
    }

    /// All states that a node said a run is in, in order.
    public func states(_ run: RunID) throws -> [String] {
        let text = try BoundedFile.readIfPresent(folder + "/run-\(run).log", limit: 1 << 20) ?? []
        return String(decoding: text, as: UTF8.self).split(separator: "\n").map(String.init)
    }

    /// What a run has written, as far as it came.
    public func output(_ run: RunID) throws -> [UInt8] {
        try BoundedFile.readIfPresent(folder + "/run-\(run).output", limit: 1 << 30) ?? []
    }

    /// Loses everything after the first `count` bytes of a run's output, as a service that was set back.
    public func setBack(_ run: RunID, to count: Int) throws {
        let path = folder + "/run-\(run).output"
        try AtomicFile.write(Array(try output(run).prefix(count)), to: path)
    }

    /// From now on the answer to every update of the run asks for its end.
    public func askToCancel(_ run: RunID) throws {
        try AtomicFile.write([], to: folder + "/cancel-\(run)")
    }

    /// The manifest, if it is newer or becomes so in time.
    public func manifest(after sequence: Int64, wait: Int) async throws(FleetServiceError) -> [UInt8]? {
        for _ in 0...(wait * 50) {
            guard !Directory.exists(folder + "/gone") else { throw FleetServiceError("the service is gone") }
            if let text = try? BoundedFile.read(folder + "/sequence", limit: 32),
                let offered = Int64(String(decoding: text, as: UTF8.self)), offered > sequence
            {
                return try? BoundedFile.read(folder + "/manifest", limit: 8 << 20)
            }
            if wait > 0 { try? await Task.sleep(for: .milliseconds(20)) }
            if Task.isCancelled { break }
        }
        return nil
    }
}
