import CanonicalJSON
import MusterModel

/// One entry of `who` or `from`: an operator (`ada`) or a group (`group:leads`).
public enum PolicySubject: Hashable, Sendable, CustomStringConvertible {
    case person(OperatorName)
    case group(OperatorName)

    /// Parses an entry; nil where it is neither form.
    public init?(_ text: String) {
        if text.hasPrefix("group:"), let name = OperatorName(String(text.dropFirst(6))) {
            self = .group(name)
        } else if let name = OperatorName(text) {
            self = .person(name)
        } else {
            return nil
        }
    }

    /// The entry as it is written.
    public var description: String {
        switch self {
        case .person(let name): name.text
        case .group(let name): "group:\(name)"
        }
    }
}

extension JSONFields {
    func subjects(_ key: String) throws(JSONError) -> [PolicySubject] {
        var subjects: [PolicySubject] = []
        for (index, text) in try strings(key, limit: FleetPolicy.operatorLimit, each: 128).enumerated() {
            guard let subject = PolicySubject(text) else {
                throw error("\(key)[\(index)]", "is neither an operator's name nor group:NAME")
            }
            subjects.append(subject)
        }
        return subjects
    }
}
