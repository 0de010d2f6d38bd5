import CanonicalJSON
import MusterModel

extension PolicyForm {
    /// Freezes, limits and urgency: what slows nodes down, and what need not wait.
    mutating func checkPace() {
        var seen: Set<String> = []
        for (index, freeze) in Self.entries(document.value["freezes"]).enumerated() {
            let path = "freezes[\(index)]"
            members(freeze, path, ["name", "reason", "from", "until", "zone", "nodes", "except_security"])
            if case .string(let name)? = freeze["name"], !seen.insert(name).inserted {
                note(path + ".name", "another freeze is named '\(name)' too: reasons and logs name freezes")
            }
        }
        for name in Self.names(document.value["limits"]) {
            let path = "limits.\(name)"
            if Tag(name) == nil { note(path, "'\(name)' is not \(Tag.form)") }
            guard case .integer(let most)? = document.value["limits"]?[name], (1...1_000_000).contains(most) else {
                note(path, "a limit is a number of nodes, 1 or more: so many with the tag are changed at one moment")
                continue
            }
        }
        members(document.value["urgency"], "urgency", ["security"])
        members(document.value["urgency"]?["security"], "urgency.security", ["skip_bake", "ignore_windows"])
    }
}
