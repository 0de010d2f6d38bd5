import CanonicalJSON
import MusterModel

extension ApprovedCommand {
    /// The members of the definition that this program does not know: it cannot be run here.
    var notUnderstood: [String] {
        var names = unknown.keys
        for (name, parameter) in parameters.sorted(by: { $0.key < $1.key }) {
            names += parameter.unknown.keys.map { "parameters.\(name).\($0)" }
            if case .unknown = parameter.kind { names.append("parameters.\(name).type") }
        }
        return names
    }
}
