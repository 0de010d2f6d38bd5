import ByteCoding
import MusterSystem

/// What a supervisor is told, through its standard input: it holds secrets and is in no file.
///
/// ```
/// "muster run plan 1" | run | user | directory | words | environment | 0, or 1 and the input | milliseconds |
/// output limit | secrets to mask | "end"
/// ```
/// Strings and lists as SSH writes them, with a length of four bytes in front. The last string says that the agent got
/// to the end: it may be killed anywhere, and half a plan starts nothing.
public struct RunPlan: Hashable, Sendable {
    /// Most bytes of a plan.
    public static let byteLimit = 4 << 20
    private static let magic = "muster run plan 1"
    private static let end = "end"
    private static let countLimit: UInt32 = 4096

    /// The run.
    public var run: String
    /// The account.
    public var user: String
    /// The folder.
    public var directory: String
    /// The program's path and its arguments.
    public var words: [String]
    /// `NAME=value`, besides those of every process.
    public var environment: [String]
    /// Standard input; nil for nothing.
    public var input: [UInt8]?
    /// How long it may take, in milliseconds.
    public var timeout: Int64
    /// How long it has from TERM to KILL, in milliseconds.
    public var grace: Int64 = 5000
    /// How many bytes of output are kept.
    public var outputLimit: Int64
    /// What must not be written anywhere.
    public var secrets: [[UInt8]]

    /// A plan.
    public init(
        run: String,
        user: String,
        directory: String,
        words: [String],
        environment: [String],
        input: [UInt8]?,
        timeout: Int64,
        outputLimit: Int64,
        secrets: [[UInt8]]
    ) {
        self.run = run
        self.user = user
        self.directory = directory
        self.words = words
        self.environment = environment
        self.input = input
        self.timeout = timeout
        self.outputLimit = outputLimit
        self.secrets = secrets
    }

    /// Reads a plan that is whole.
    public init(_ bytes: [UInt8]) throws(ByteReaderError) {
        var reader = ByteReader(bytes)
        guard try reader.text(limit: 64) == Self.magic else {
            throw ByteReaderError(offset: 0, reason: "this is no plan of a run")
        }
        run = try reader.text(limit: 64)
        user = try reader.text(limit: 256)
        directory = try reader.text(limit: Self.byteLimit)
        words = try Self.list(&reader) { reader throws(ByteReaderError) in try reader.text(limit: Self.byteLimit) }
        environment = try Self.list(&reader) { reader throws(ByteReaderError) in
            try reader.text(limit: Self.byteLimit)
        }
        input = try reader.byte() == 0 ? nil : try reader.string(limit: Self.byteLimit)
        timeout = Int64(clamping: try reader.uint64())
        grace = Int64(clamping: try reader.uint64())
        outputLimit = Int64(clamping: try reader.uint64())
        secrets = try Self.list(&reader) { reader throws(ByteReaderError) in
            try reader.string(limit: Self.byteLimit)
        }
        guard try reader.text(limit: 64) == Self.end else {
            throw ByteReaderError(offset: reader.offset, reason: "the plan has no end")
        }
        try reader.end()
    }

    /// The plan as it is handed over.
    public var bytes: [UInt8] {
        var writer = ByteWriter(capacity: 8192)
        for text in [Self.magic, run, user, directory] { writer.string(text) }
        for list in [words, environment] {
            writer.uint32(UInt32(list.count))
            for text in list { writer.string(text) }
        }
        writer.byte(input == nil ? 0 : 1)
        if let input { writer.string(input) }
        for number in [timeout, grace, outputLimit] { writer.uint64(UInt64(max(0, number))) }
        writer.uint32(UInt32(secrets.count))
        for secret in secrets { writer.string(secret) }
        writer.string(Self.end)
        return writer.bytes
    }

    private static func list<Element>(
        _ reader: inout ByteReader,
        _ element: (inout ByteReader) throws(ByteReaderError) -> Element
    ) throws(ByteReaderError) -> [Element] {
        let count = try reader.uint32()
        guard count <= countLimit else { throw ByteReaderError(offset: reader.offset, reason: "a list is too long") }
        var list: [Element] = []
        for _ in 0..<count { list.append(try element(&reader)) }
        return list
    }
}
