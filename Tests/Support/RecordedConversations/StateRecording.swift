import MusterSystem

/// The files in which an agent of some version kept its state, in the middle of an upgrade: `Tests/Compatibility/VERSION/state`.
///
/// No key is among them.
public struct StateRecording: Hashable, Sendable, CustomStringConvertible {
    /// The files.
    public static let names = ["enrollment.json", "memory.json", "executed.json", "journal.json"]

    /// The version of the agent.
    public let version: String

    /// The recording of a version.
    public init(version: String) {
        self.version = version
    }

    /// The version.
    public var description: String { version }

    private var folder: String { "\(Conversation.folder)/\(version)/state" }

    /// Every recording.
    public static func all() throws -> [StateRecording] {
        try Directory.entries(Conversation.folder).sorted().filter { $0.first?.isNumber == true }
            .map { StateRecording(version: $0) }
    }

    /// The files' bytes by name.
    public func files() throws -> [String: [UInt8]] {
        var files: [String: [UInt8]] = [:]
        for name in try Directory.entries(folder) {
            files[name] = try BoundedFile.read("\(folder)/\(name)", limit: 1 << 20)
        }
        return files
    }

    /// Puts a file into the recording.
    public func store(_ name: String, _ bytes: [UInt8]) throws {
        try Directory.create(folder, mode: 0o755)
        try AtomicFile.write(bytes, to: "\(folder)/\(name)", mode: 0o644)
    }
}
