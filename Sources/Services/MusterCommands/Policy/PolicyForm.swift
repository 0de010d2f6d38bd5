import CanonicalJSON
import MusterModel
import OpenSSHFormats

/// What a hand-written policy is checked for beyond what a node checks: misspelt members and names.
enum PolicyForm {
    /// Actions that rules may name: statement types, `run` of later versions, and signing names for WireGuard peers.
    static let actions = Set(StatementType.allCases.map(\.rawValue)).union(["run", "tailnet-names"])
    /// Members of a rule that speak of logins.
    static let logins = ["users", "max_seconds", "extensions", "force_command"]

    static func check(_ document: YAMLDocument) throws {
        try members(document, document.value, "", ["operators", "groups", "rules", "expires"])
        for name in names(document.value["operators"]) {
            let path = "operators.\(name)"
            let person = document.value["operators"]?[name]
            try members(document, person, path, ["keys", "tailnet"])
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
            Set(["name", "allow", "who", "nodes", "packages", "tags", "approvals"] + logins)
        )
        try members(document, rule["approvals"], path + ".approvals", ["count", "from"])
        for (index, action) in entries(rule["allow"]).enumerated() {
            guard case .string(let name) = action, !actions.contains(name) else { continue }
            throw document.failure(
                at: "\(path).allow[\(index)]",
                "'\(name)' is no action; there are \(actions.sorted().joined(separator: ", "))"
            )
        }
        try checkLogins(rule, document, path)
        try subjects(rule["who"], document, path + ".who")
        try subjects(rule["approvals"]?["from"], document, path + ".approvals.from")
    }

    /// What a node would pass over in silence: a rule for logins that allows none, or members that mean nothing.
    private static func checkLogins(_ rule: JSONValue, _ document: YAMLDocument, _ path: String) throws {
        let allowsLogins = entries(rule["allow"]).contains("ssh-certificate")
        if allowsLogins, rule["users"] == nil {
            throw document.failure(at: path, "'ssh-certificate' needs 'users': the accounts, or \"*\" for any")
        }
        for name in logins where rule[name] != nil && !allowsLogins {
            throw document.failure(at: "\(path).\(name)", "'\(name)' means something for 'ssh-certificate' only")
        }
        let longest = SSHCertificateBody.validity.upperBound
        if case .integer(let seconds)? = rule["max_seconds"], seconds > longest {
            throw document.failure(at: "\(path).max_seconds", "no certificate lives longer than \(longest) seconds")
        }
        for (index, entry) in entries(rule["extensions"]).enumerated() {
            guard case .string(let name) = entry, !SSHCertificateOption.permissions.contains(name) else { continue }
            throw document.failure(
                at: "\(path).extensions[\(index)]",
                "'\(name)' is no extension; there are \(SSHCertificateOption.permissions.joined(separator: ", "))"
            )
        }
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
