import ByteCoding
import CanonicalJSON
import Logging
import MusterAPI
import MusterSystem

/// Something that the owner of a node has measured on it: a command whose first word of output is a number.
///
/// ```
/// {"name": "errors-per-second", "command": ["/usr/local/bin/error-rate"]}
/// ```
/// The fleet compares it with that of nodes which are not upgraded yet.
public struct NodeMetric: Hashable, Sendable {
    /// Its name: letters, digits, `-`, `_` and `.`.
    public let name: String
    /// What measures it.
    public let command: [String]

    /// A metric.
    public init(name: String, command: [String]) {
        self.name = name
        self.command = command
    }

    init(_ fields: JSONFields) throws(JSONError) {
        name = try fields.string("name", limit: 64)
        guard !name.isEmpty, name.utf8.allSatisfy(Self.isNameByte) else {
            throw fields.error("name", "is not made of letters, digits, '-', '_' and '.'")
        }
        command = try fields.strings("command", limit: 64)
        guard command.first?.hasPrefix("/") == true else {
            throw fields.error("command", "does not begin with the absolute path of a program")
        }
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
            true
        default: false
        }
    }

    /// A decimal number in thousandths, rounded towards zero: `0.25` is 250; nil for anything else.
    static func thousandths(_ text: some StringProtocol) -> Int64? {
        let isNegative = text.hasPrefix("-")
        let parts = text.drop { $0 == "-" || $0 == "+" }
            .split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard text.count - (parts.map(\.count).reduce(0, +) + parts.count - 1) <= 1 else { return nil }
        guard let whole = parts.first, (1...15).contains(whole.count), whole.utf8.allSatisfy(isDigit) else {
            return nil
        }
        let fraction = parts.count == 2 ? parts[1] : ""
        guard parts.count == 1 || !fraction.isEmpty, fraction.utf8.allSatisfy(isDigit) else { return nil }
        let digits = String(whole) + fraction.prefix(3) + String(repeating: "0", count: max(0, 3 - fraction.count))
        return Int64(digits).map { isNegative ? -$0 : $0 }
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
}

/// What was measured last; measured beside everything else, so that no report waits for it.
public actor NodeMetrics {
    private let metrics: [NodeMetric]
    private let logger: Logger
    private let patience: Duration
    /// In thousandths by name; what could not be measured is left out.
    public private(set) var values: [String: Int64] = [:]

    /// The owner's metrics; `patience` is how long the command of one may take.
    public init(_ metrics: [NodeMetric], logger: Logger, patience: Duration = .seconds(10)) {
        self.metrics = Array(metrics.prefix(NodeReport.metricLimit))
        self.logger = logger
        self.patience = patience
    }

    /// Measures all of them now, side by side.
    public func measure() async {
        guard !metrics.isEmpty else { return }
        let (metrics, patience) = (metrics, patience)
        let measured = await withTaskGroup(of: (String, Result<Int64, SystemError>).self) { group in
            for metric in metrics { group.addTask { (metric.name, await Self.measure(metric, patience)) } }
            var values: [String: Int64] = [:]
            for await (name, result) in group {
                switch result {
                case .success(let value): values[name] = value
                case .failure(let error): logger.warning("\(error)", metadata: ["metric": "\(name)"])
                }
            }
            return values
        }
        if !Task.isCancelled { values = measured }
    }

    private static func measure(_ metric: NodeMetric, _ patience: Duration) async -> Result<Int64, SystemError> {
        guard let program = metric.command.first else { return .failure(SystemError("run", "nothing", because: "")) }
        let command = Command(program, Array(metric.command.dropFirst()))
        do throws(SystemError) {
            let result = try await command.run(timeout: patience, grace: .seconds(1), outputLimit: 4096)
            guard result.succeeded else {
                return .failure(SystemError("measure with", program, because: "it \(result.endingText)"))
            }
            let word = result.outputText.split(whereSeparator: \.isWhitespace).first ?? ""
            guard let value = NodeMetric.thousandths(word) else {
                let said = String(word).bounded(40).debugDescription
                return .failure(SystemError("measure with", program, because: "\(said) is no number"))
            }
            return .success(value)
        } catch {
            return .failure(error)
        }
    }
}
