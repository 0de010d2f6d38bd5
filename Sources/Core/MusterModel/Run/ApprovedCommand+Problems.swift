import CanonicalJSON

extension ApprovedCommand {
    /// Everything that keeps the command from being run with any arguments, each with where it stands (`argv[1]`); empty
    /// where it can be.
    public var problems: [JSONError] {
        var found: [JSONError] = []
        func note(_ location: String, _ reason: String) {
            found.append(JSONError(location: location, reason: reason))
        }
        for name in unknown.keys { note(name, "is not known to this program") }
        if argv.first?.hasPrefix("/") != true { note("argv[0]", "is no absolute path") }
        if !directory.hasPrefix("/") { note("directory", "is no absolute path") }
        for (index, word) in argv.enumerated() {
            check(word, "argv[\(index)]", isWord: true, note)
            if index == 0, word.contains(where: { $0 == "{" || $0 == "}" }) {
                note("argv[0]", "the program itself may not depend on an argument")
            }
        }
        for (name, value) in environment.sorted(by: { $0.key < $1.key }) {
            if !EnvironmentVariable.isName(name) { note("environment.\(name)", "is no name of a variable") }
            check(value, "environment.\(name)", isWord: false, note)
        }
        for (index, name) in environmentAllow.enumerated() where !EnvironmentVariable.mayBeAsked(name) {
            note("environment_allow[\(index)]", "'\(name)' may not be set by whoever asks for a run")
        }
        if let input { check(input, "input", isWord: false, note) }
        for (name, parameter) in parameters.sorted(by: { $0.key < $1.key }) {
            for reason in parameter.problems { note("parameters.\(name)", reason) }
        }
        for name in unused { note("parameters.\(name)", "is used nowhere in the command") }
        return found
    }

    private func check(_ word: String, _ location: String, isWord: Bool, _ note: (String, String) -> Void) {
        let allowsLines = location == "input"
        if word.utf8.contains(where: { ($0 < 0x20 && !(allowsLines && ($0 == 0x0A || $0 == 0x09))) || $0 == 0x7F }) {
            note(location, "holds control characters")
        }
        let template: CommandTemplate
        do throws(CommandProblem) {
            template = try CommandTemplate(word)
        } catch {
            return note(location, error.text)
        }
        for name in template.parameters {
            guard let parameter = parameters[name] else {
                note(location, "{\(name)} is no parameter of the command")
                continue
            }
            if isWord, parameter.isSecret {
                note(
                    location,
                    "{\(name)} is secret, and other processes can see arguments: use 'input' or 'environment'"
                )
            }
            if parameter.list != nil, !isWord || template.only != name {
                note(location, "{\(name)} is a list, which must be a whole word of argv")
            }
        }
    }

    private var unused: [ParameterName] {
        let words = argv + environment.values + (input.map { [$0] } ?? [])
        let used = Set(words.flatMap { (try? CommandTemplate($0))?.parameters ?? [] })
        return parameters.keys.filter { !used.contains($0) }.sorted()
    }
}

extension CommandParameter {
    /// What is wrong with the parameter itself, as clauses.
    var problems: [String] {
        var found = unknown.keys.map { "'\($0)' is not known to this program" }
        switch kind {
        case .text(let pattern): if let problem = pattern.problem { found.append(problem) }
        case .integer(let minimum, let maximum):
            if minimum > maximum { found.append("minimum \(minimum) is above maximum \(maximum)") }
        case .choice(let values): if values.isEmpty { found.append("has no values to choose from") }
        case .unknown(let type): found.append("type '\(type)' is not text, integer or choice")
        }
        if isSecret {
            if case .text = kind {} else { found.append("a secret is of type text") }
            if list != nil { found.append("a secret is one value, no list") }
            if standard != nil { found.append("a secret has no default: it would stand in the policy") }
        }
        if let standard {
            if standard.isEmpty || standard.count > (list ?? 1) { found.append("has \(standard.count) default values") }
            for value in standard {
                if let objection = objection(to: value) { found.append("its default '\(value)' \(objection)") }
            }
        }
        return found
    }
}
