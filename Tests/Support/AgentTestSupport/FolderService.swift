import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterAgent
import MusterSystem

/// A fleet service that is a folder: `manifest` and `sequence` are what it hands out, `reports` what it got, a line each.
///
/// Nobody has to run, so a node may be killed and started again without losing it.
public struct FolderService: FleetService {
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

    /// From now on no report is taken.
    public func closeForReports() throws {
        try AtomicFile.write([], to: folder + "/closed")
    }

    /// Every report that came, oldest first.
    public func reports() throws -> [NodeReport] {
        let bytes = try BoundedFile.readIfPresent(folder + "/reports", limit: 1 << 30) ?? []
        return try bytes.split(separator: UInt8(ascii: "\n")).map { try NodeReport.parse(Array($0)) }
    }

    /// Keeps the report.
    public func report(_ report: NodeReport) async throws(FleetServiceError) -> ReportReply {
        do throws(SystemError) {
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

    /// The manifest, if it is newer.
    public func manifest(after sequence: Int64, wait: Int) async throws(FleetServiceError) -> [UInt8]? {
        guard let text = try? BoundedFile.read(folder + "/sequence", limit: 32),
            let offered = Int64(String(decoding: text, as: UTF8.self)), offered > sequence
        else { return nil }
        return try? BoundedFile.read(folder + "/manifest", limit: 8 << 20)
    }
}
