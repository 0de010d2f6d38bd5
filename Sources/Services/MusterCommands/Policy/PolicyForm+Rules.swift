import CanonicalJSON
import MusterModel
import OpenSSHFormats

extension PolicyForm {
    /// Members of a rule that speak of logins.
    private static let logins = ["users", "max_seconds", "extensions", "force_command"]

    mutating func check(_ rule: JSONValue, _ path: String) {
        members(
            rule,
            path,
            ["name", "allow", "who", "nodes", "packages", "tags", "commands", "windows", "approvals"] + Self.logins
        )
        members(rule["approvals"], path + ".approvals", ["count", "from"])
        for (index, window) in Self.entries(rule["windows"]).enumerated() {
            members(window, "\(path).windows[\(index)]", ["days", "from", "to", "zone"])
        }
        if case .array(let windows)? = rule["windows"], windows.isEmpty {
            note(path + ".windows", "without any window the rule never holds: leave 'windows' out for always")
        }
        for (index, action) in Self.entries(rule["allow"]).enumerated() {
            guard case .string(let name) = action, !Self.actions.contains(name) else { continue }
            note(
                "\(path).allow[\(index)]",
                "'\(name)' is no action\(NearName.hint(name, among: Self.actions)); "
                    + "there are \(Self.actions.sorted().joined(separator: ", "))"
            )
        }
        checkLogins(rule, path)
        checkCommands(rule, path)
        checkCommandNames(rule, path)
        subjects(rule["who"], path + ".who")
        subjects(rule["approvals"]?["from"], path + ".approvals.from")
        checkApprovals(rule, path)
    }

    private mutating func checkApprovals(_ rule: JSONValue, _ path: String) {
        guard case .integer(let count)? = rule["approvals"]?["count"] else { return }
        let people = people(rule["approvals"]?["from"])
        guard people.count < count else { return }
        note(
            path + ".approvals.count",
            "asks for \(count) approvals, but 'from' means \(people.count) operators: name more, or ask for fewer"
        )
    }

    /// The operators that a list means.
    private func people(_ list: JSONValue?) -> Set<String> {
        var people: Set<String> = []
        for case .string(let name) in Self.entries(list) {
            guard name.hasPrefix("group:") else {
                people.insert(name)
                continue
            }
            for case .string(let member) in Self.entries(document.value["groups"]?[String(name.dropFirst(6))]) {
                people.insert(member)
            }
        }
        return people
    }

    /// What a node would pass over in silence: a rule for runs that allows none, or commands that nobody may run by it.
    private mutating func checkCommands(_ rule: JSONValue, _ path: String) {
        // Without any 'allow' there is nothing to compare with, and that is said elsewhere.
        guard case .array? = rule["allow"] else { return }
        let allowsRuns = Self.entries(rule["allow"]).contains("run")
        if allowsRuns, rule["commands"] == nil {
            note(path, "'run' needs 'commands': their names, or \"*\" for any of the policy's")
        }
        if rule["commands"] != nil, !allowsRuns {
            note(path + ".commands", "'commands' means something for 'run' only: add it to 'allow'")
        }
    }

    private mutating func checkCommandNames(_ rule: JSONValue, _ path: String) {
        let commands = Self.names(document.value["commands"])
        let entries = Self.entries(rule["commands"])
        for (index, entry) in entries.enumerated() {
            guard case .string(let name) = entry, !commands.contains(name), name != "*" || entries.count > 1 else {
                continue
            }
            let reason =
                name == "*"
                ? "\"*\" stands alone, or not at all"
                : "there is no command '\(name)'\(NearName.hint(name, among: commands)); define it under 'commands'"
            note("\(path).commands[\(index)]", reason)
        }
    }

    /// What a node would pass over in silence: a rule for logins that allows none, or members that mean nothing.
    private mutating func checkLogins(_ rule: JSONValue, _ path: String) {
        let allowsLogins = Self.entries(rule["allow"]).contains("ssh-certificate")
        if allowsLogins, rule["users"] == nil {
            note(path, "'ssh-certificate' needs 'users': the accounts, or \"*\" for any")
        }
        for name in Self.logins where rule[name] != nil && !allowsLogins {
            note("\(path).\(name)", "'\(name)' means something for 'ssh-certificate' only")
        }
        let longest = SSHCertificateBody.validity.upperBound
        if case .integer(let seconds)? = rule["max_seconds"], seconds > longest {
            note("\(path).max_seconds", "no certificate lives longer than \(longest) seconds")
        }
        for (index, entry) in Self.entries(rule["extensions"]).enumerated() {
            guard case .string(let name) = entry, !SSHCertificateOption.permissions.contains(name) else { continue }
            note(
                "\(path).extensions[\(index)]",
                "'\(name)' is no extension\(NearName.hint(name, among: SSHCertificateOption.permissions)); "
                    + "there are \(SSHCertificateOption.permissions.joined(separator: ", "))"
            )
        }
    }
}
