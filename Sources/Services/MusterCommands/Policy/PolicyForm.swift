import CanonicalJSON
import MusterModel
import MusterPolicy

/// What a hand-written policy is checked for beyond what a node checks: misspelt members and names, and parts that mean
/// nothing where they stand.
///
/// Finds all it can at once.
struct PolicyForm {
    /// Actions that rules may name: statement types, and signing names for WireGuard peers.
    static let actions = Set(StatementType.allCases.map(\.rawValue)).union(["tailnet-names"])

    let document: YAMLDocument
    private(set) var mistakes: [PolicyMistake] = []

    init(_ document: YAMLDocument) {
        self.document = document
    }

    mutating func check() {
        members(
            document.value,
            "",
            [
                "operators", "groups", "tags", "commands", "rules", "freezes", "limits", "urgency", "tests", "expires",
            ]
        )
        checkOperators()
        for name in Self.names(document.value["groups"]) {
            people(document.value["groups"]?[name], "groups.\(name)")
        }
        for name in Self.names(document.value["tags"]) { checkTag(name) }
        for name in Self.names(document.value["commands"]) {
            checkCommand(document.value["commands"]?[name], "commands.\(name)")
        }
        var seen: Set<String> = []
        for (index, rule) in Self.entries(document.value["rules"]).enumerated() {
            check(rule, "rules[\(index)]")
            if case .string(let name)? = rule["name"], !seen.insert(name).inserted {
                note("rules[\(index)].name", "another rule is named '\(name)' too: reasons and logs name rules")
            }
        }
        checkPace()
        for (index, test) in Self.entries(document.value["tests"]).enumerated() {
            members(test, "tests[\(index)]", PolicyTest.members)
            members(test["node"], "tests[\(index)].node", ["tags", "id"])
        }
    }

    // MARK: - Operators, groups and tags

    private mutating func checkOperators() {
        var owners: [String: String] = [:]
        for name in Self.names(document.value["operators"]) {
            let path = "operators.\(name)"
            let person = document.value["operators"]?[name]
            members(person, path, ["keys", "tailnet"])
            for (index, key) in Self.entries(person?["keys"]).enumerated() {
                let place = "\(path).keys[\(index)]"
                members(key, place, ["public_key", "expires", "touch"])
                guard case .string(let line)? = key["public_key"] else { continue }
                // The comment at the end is for people.
                let words = line.split(separator: " ").prefix(2).joined(separator: " ")
                if let other = owners.updateValue(name, forKey: words) {
                    note("\(place).public_key", "this key is listed for \(other) already: one person would be two")
                }
            }
        }
    }

    private mutating func checkTag(_ name: String) {
        let path = "tags.\(name)"
        if Tag(name) == nil { note(path, "'\(name)' is not \(Tag.form)") }
        let tag = document.value["tags"]?[name]
        members(tag, path, ["owners"])
        guard case .array? = tag?["owners"] else {
            return note(path, "a tag has 'owners': those who may give it to nodes and take it away")
        }
        subjects(tag?["owners"], path + ".owners")
    }

    private mutating func checkCommand(_ command: JSONValue?, _ path: String) {
        members(
            command,
            path,
            [
                "description", "argv", "parameters", "user", "directory", "environment", "environment_allow", "input",
                "timeout_seconds", "output_bytes",
            ]
        )
        for name in Self.names(command?["parameters"]) {
            members(
                command?["parameters"]?[name],
                "\(path).parameters.\(name)",
                [
                    "type", "pattern", "minimum", "maximum", "values", "default", "list", "dash", "secret",
                    "description",
                ]
            )
        }
    }

    // MARK: - Pieces

    mutating func note(_ path: String, _ text: String) {
        mistakes.append(document.mistake(at: path, text))
    }

    mutating func add(_ more: [PolicyMistake]) {
        mistakes += more
    }

    /// Notes members that are not known, with the one that was probably meant.
    mutating func members(_ value: JSONValue?, _ path: String, _ known: [String]) {
        for name in Self.names(value) where !known.contains(name) {
            note(
                path.isEmpty ? name : path + "." + name,
                "'\(name)' is not known here\(NearName.hint(name, among: known)); "
                    + "there are \(known.sorted().joined(separator: ", "))"
            )
        }
    }

    /// Notes operators and groups that the policy does not have.
    mutating func subjects(_ list: JSONValue?, _ path: String) {
        let operators = Self.names(document.value["operators"])
        let groups = Self.names(document.value["groups"]).map { "group:" + $0 }
        for (index, entry) in Self.entries(list).enumerated() {
            guard case .string(let name) = entry, !operators.contains(name), !groups.contains(name) else { continue }
            let hint =
                groups.contains("group:" + name)
                ? "; a group is written \"group:\(name)\"" : NearName.hint(name, among: operators + groups)
            note("\(path)[\(index)]", "'\(name)' is neither an operator nor a group here\(hint)")
        }
    }

    private mutating func people(_ list: JSONValue?, _ path: String) {
        let operators = Self.names(document.value["operators"])
        for (index, entry) in Self.entries(list).enumerated() {
            guard case .string(let name) = entry, !operators.contains(name) else { continue }
            note("\(path)[\(index)]", "'\(name)' is not an operator\(NearName.hint(name, among: operators))")
        }
    }

    static func names(_ value: JSONValue?) -> [String] {
        if case .object(let object) = value { object.keys } else { [] }
    }

    static func entries(_ value: JSONValue?) -> [JSONValue] {
        if case .array(let values) = value { values } else { [] }
    }
}
