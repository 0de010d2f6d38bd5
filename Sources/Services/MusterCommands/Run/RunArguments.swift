import ArgumentParser
import ByteCoding
import MusterModel

/// `NAME=VALUE` on the command line.
struct PairArgument: ExpressibleByArgument, Sendable, Hashable {
    let name: String
    let value: String

    init?(argument: String) {
        guard let (name, value) = argument.split(atFirst: UInt8(ascii: "=")), !name.isEmpty else { return nil }
        self.name = name
        self.value = value
    }
}

extension [PairArgument] {
    /// The values of a command's parameters; a name that is given several times has several values.
    func parameters() throws -> [ParameterName: [String]] {
        var values: [ParameterName: [String]] = [:]
        for pair in self {
            guard let name = ParameterName(pair.name) else {
                throw CommandFailure.usage("'\(pair.name)' is no parameter's name: \(ParameterName.form)")
            }
            values[name, default: []].append(pair.value)
        }
        return values
    }

    /// Variables of an environment.
    func variables() throws -> [String: String] {
        var variables: [String: String] = [:]
        for pair in self where variables.updateValue(pair.value, forKey: pair.name) != nil {
            throw CommandFailure.usage("the variable '\(pair.name)' is given twice")
        }
        return variables
    }
}

/// A moment on the command line: `2026-11-24T02:00:00Z`, or without the seconds.
struct MomentArgument: ExpressibleByArgument, Sendable, Hashable {
    let time: UTCTime

    init?(argument: String) {
        let whole = argument.utf8.count == 17 && argument.hasSuffix("Z") ? argument.dropLast() + ":00Z" : argument[...]
        guard let time = UTCTime(whole) else { return nil }
        self.time = time
    }
}

/// Who carries a run out.
enum RunPath: String, ExpressibleByArgument, CaseIterable {
    /// The agents on the nodes.
    case agent
    /// This machine, by SSH with a certificate for this run.
    case ssh
}
