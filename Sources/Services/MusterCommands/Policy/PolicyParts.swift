import CanonicalJSON
import MusterModel
import MusterPolicy

/// Reads each part of a compiled document by itself, as a node reads the whole, so that mistakes in several of them are
/// found at once.
struct PolicyParts {
    private let object: JSONObject

    init(_ object: JSONObject) {
        self.object = object
    }

    func check(_ form: inout PolicyForm) {
        for part in ["operators", "rules"] where object[part] == nil { form.note(part, "is missing") }
        for (name, value) in members("operators") {
            let path = "operators.\(name)"
            if OperatorName(name) == nil { form.note(path, "'\(name)' is not \(OperatorName.form)") }
            read(path, value, &form) { fields throws(JSONError) in _ = try PolicyOperator(fields) }
        }
        for (name, _) in members("groups") where OperatorName(name) == nil {
            form.note("groups.\(name)", "'\(name)' is not \(OperatorName.form)")
        }
        for (name, value) in members("commands") { command(name, value, &form) }
        for (index, value) in PolicyForm.entries(object["rules"]).enumerated() {
            read("rules[\(index)]", value, &form) { fields throws(JSONError) in _ = try PolicyRule(fields) }
        }
        for (index, value) in PolicyForm.entries(object["freezes"]).enumerated() {
            read("freezes[\(index)]", value, &form) { fields throws(JSONError) in _ = try PolicyFreeze(fields) }
        }
        if let urgency = object["urgency"] {
            read("urgency", urgency, &form) { fields throws(JSONError) in _ = try PolicyUrgency(fields) }
        }
        tests(&form)
    }

    private func command(_ name: String, _ value: JSONValue, _ form: inout PolicyForm) {
        let path = "commands.\(name)"
        if CommandName(name) == nil { form.note(path, "'\(name)' is not \(CommandName.form)") }
        let misspelt = form.mistakes.contains { $0.path.hasPrefix(path + ".") }
        var problems: [JSONError] = []
        read(path, value, &form) { fields throws(JSONError) in problems = try ApprovedCommand(fields).problems }
        for problem in problems {
            // Said already, with the member that was probably meant.
            if misspelt, problem.reason.hasSuffix("is not known to this program") { continue }
            form.note("\(path).\(problem.location)", problem.reason)
        }
    }

    /// Names that tests give to commands and rules, which must be there: else a refusal would prove nothing.
    private func tests(_ form: inout PolicyForm) {
        let commands = members("commands").map(\.0)
        let rules = PolicyForm.entries(object["rules"]).compactMap { rule -> String? in
            if case .string(let name)? = rule["name"] { name } else { nil }
        }
        for (index, test) in PolicyForm.entries(form.document.value["tests"]).enumerated() {
            if case .string(let name)? = test["command"], test["action"] == "run", !commands.contains(name) {
                form.note(
                    "tests[\(index)].command",
                    "there is no command '\(name)'\(NearName.hint(name, among: commands))"
                )
            }
            if case .string(let name)? = test["rule"], !rules.contains(name) {
                form.note("tests[\(index)].rule", "there is no rule '\(name)'\(NearName.hint(name, among: rules))")
            }
        }
    }

    private func read(
        _ path: String,
        _ value: JSONValue,
        _ form: inout PolicyForm,
        _ read: (JSONFields) throws(JSONError) -> Void
    ) {
        do throws(JSONError) {
            try read(try JSONFields(value, at: path))
        } catch {
            form.note(error.location, error.reason)
        }
    }

    private func members(_ part: String) -> [(String, JSONValue)] {
        guard case .object(let members)? = object[part] else { return [] }
        return members.members.map { ($0.key, $0.value) }
    }
}
