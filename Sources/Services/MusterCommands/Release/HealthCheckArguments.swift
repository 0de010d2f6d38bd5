import CanonicalJSON
import MusterModel
import MusterSystem

/// Health checks as the command line gives them.
enum HealthCheckArguments {
    /// The checks of a JSON file and of `--health-command` options.
    static func read(file: String?, commands: [String]) throws -> [HealthCheck] {
        var checks: [HealthCheck] = []
        if let file { checks = try read(file) }
        for command in commands {
            let arguments = try words(command)
            guard let program = arguments.first, program.hasPrefix("/") else {
                throw CommandFailure.usage(
                    "--health-command must begin with an absolute path, no shell is involved: \(command)"
                )
            }
            checks.append(HealthCheck(probe: .command(arguments)))
        }
        guard checks.count <= 16 else { throw CommandFailure.usage("a release has at most 16 health checks") }
        return checks
    }

    private static func read(_ file: String) throws -> [HealthCheck] {
        do {
            let value = try JSONValue.parse(try BoundedFile.read(file, limit: 65536), limit: 65536)
            let list: JSONValue = if case .array = value { value } else { .array([value]) }
            let checks = try JSONFields(["health": list]).objects("health", limit: 16).map { try HealthCheck($0) }
            for case .unknown(let members) in checks.map(\.probe) {
                throw CommandFailure.usage(
                    "\(file): a check is 'command', 'tcp', 'http' or 'unit', and not '\(HealthCheck.kind(of: members))': "
                        + "no node could pass it"
                )
            }
            return checks
        } catch let error as JSONError {
            throw CommandFailure.usage("\(file): \(error)")
        }
    }

    /// The words of a command.
    static func words(_ text: String) throws -> [String] {
        guard let words = CommandWords.split(text) else { throw CommandFailure.usage("a quote is not closed: \(text)") }
        return words
    }
}
