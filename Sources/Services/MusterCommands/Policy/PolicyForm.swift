import CanonicalJSON
import MusterModel

/// What a hand-written policy is checked for beyond what a node checks: misspelt members and names.
enum PolicyForm {
    /// Actions that rules may name; those behind the statement types are for later versions.
    static let actions = Set(StatementType.allCases.map(\.rawValue)).union(["run", "ssh-certificate", "revoke"])

    static func check(_ document: YAMLDocument) throws {
        try members(document, document.value, "", ["operators", "groups", "rules", "expires"])
        for name in names(document.value["operators"]) {
            let path = "operators.\(name)"
            let person = document.value["operators"]?[name]
            try members(document, person, path, ["keys"])
            for (index, key) in entries(person?["keys"]).enumerated() {
                try members(document, key, "\(path).keys[\(index)]", ["public_key", "expires", "touch"])
            }
        }
        for (index, rule) in entries(document.value["rules"]).enumerated() {
            try check(rule, document, "rules[\(index)]")
        }
    }

    private static func check(_ rule: JSONValue, _ document: YAMLDocument, _ path: String) throws {
        try members(
            document,
            rule,
            path,
            ["name", "allow", "who", "nodes", "packages", "tags", "approvals"]
        )
        try members(document, rule["approvals"], path + ".approvals", ["count", "from"])
        for (index, action) in entries(rule["allow"]).enumerated() {
            guard case .string(let name) = action, !actions.contains(name) else { continue }
            throw document.failure(
                at: "\(path).allow[\(index)]",
                "'\(name)' is no action; there are \(actions.sorted().joined(separator: ", "))"
            )
        }
        try subjects(rule["who"], document, path + ".who")
        try subjects(rule["approvals"]?["from"], document, path + ".approvals.from")
    }

    private static func subjects(_ list: JSONValue?, _ document: YAMLDocument, _ path: String) throws {
        let operators = Set(names(document.value["operators"]))
        let groups = Set(names(document.value["groups"]))
        for (index, entry) in entries(list).enumerated() {
            guard case .string(let name) = entry else { continue }
            let isKnown =
                name.hasPrefix("group:") ? groups.contains(String(name.dropFirst(6))) : operators.contains(name)
            guard isKnown else {
                throw document.failure(at: "\(path)[\(index)]", "'\(name)' is neither an operator nor a group here")
            }
        }
    }

    private static func members(
        _ document: YAMLDocument,
        _ value: JSONValue?,
        _ path: String,
        _ known: Set<String>
    ) throws {
        for name in names(value) where !known.contains(name) {
            throw document.failure(
                at: path.isEmpty ? name : path + "." + name,
                "'\(name)' is not known here; there are \(known.sorted().joined(separator: ", "))"
            )
        }
    }

    private static func names(_ value: JSONValue?) -> [String] {
        if case .object(let object) = value { object.keys } else { [] }
    }

    private static func entries(_ value: JSONValue?) -> [JSONValue] {
        if case .array(let values) = value { values } else { [] }
    }
}
