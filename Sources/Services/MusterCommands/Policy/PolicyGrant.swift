import MusterModel
import MusterPolicy

/// One thing that a rule allows, taken apart so that two policies can be compared: an action, on one selector's nodes, with
/// one package, tag, account or command, on these terms.
struct PolicyGrant: Hashable, Sendable {
    /// What the action is done with.
    enum Object: Hashable, Sendable {
        /// The action takes none, or the rule names none.
        case none
        case any
        case named(ExactText)
    }

    /// What it takes besides.
    struct Terms: Hashable, Sendable {
        var approvals = 0
        var from: Set<OperatorName> = []
        /// The hours in words; nil for always.
        ///
        /// Offsets do not count: they differ by when a policy was compiled.
        var windows: Set<ExactText>?
        var maximumSeconds: Int64 = 0
        var extensions: Set<ExactText> = []
        var forceCommand: ExactText?
    }

    let action: PolicyAction
    let nodes: NodeSelector
    let object: Object
    let terms: Terms

    /// What the rule allows to each whom it names.
    static func of(_ rule: PolicyRule, _ policy: FleetPolicy) -> [PolicyGrant] {
        guard rule.notUnderstood.isEmpty else { return [] }
        var grants: [PolicyGrant] = []
        for action in rule.allow {
            let terms = terms(rule, action, policy)
            for object in objects(rule, action, policy) {
                grants += rule.nodes.map { PolicyGrant(action: action, nodes: $0, object: object, terms: terms) }
            }
        }
        return grants
    }

    /// Whether whoever has this has the other too.
    func covers(_ other: PolicyGrant) -> Bool {
        guard action == other.action, nodes == .every || nodes == other.nodes else { return false }
        guard object == other.object || object == .any || (other.object == .none && action.isAboutTags) else {
            return false
        }
        return terms.cover(other.terms)
    }

    /// Whether only the terms differ.
    func isSame(as other: PolicyGrant) -> Bool {
        action == other.action && nodes == other.nodes && object == other.object
    }

    private static func objects(_ rule: PolicyRule, _ action: PolicyAction, _ policy: FleetPolicy) -> [Object] {
        switch action {
        case .upgrade, .rollBack: return rule.packages.map { $0.map { .named(ExactText($0)) } } ?? [.any]
        case .enroll, .tagNode:
            switch rule.tags {
            case nil: return [.none]
            case .any: return [.any]
            case .only(let tags): return tags.sorted().map { .named(ExactText($0.text)) }
            }
        case .sshCertificate:
            switch rule.logins?.users {
            case nil: return []
            case .any: return [.any]
            case .only(let accounts): return accounts.sorted().map { .named(ExactText($0.text)) }
            }
        case .run:
            switch rule.commands {
            case nil: return []
            // Taken apart: a new command is a gain for whoever may run any.
            case .any: return policy.commands.keys.sorted().map { .named(ExactText($0.text)) }
            case .only(let names): return names.sorted().map { .named(ExactText($0.text)) }
            }
        default: return [.none]
        }
    }

    private static func terms(_ rule: PolicyRule, _ action: PolicyAction, _ policy: FleetPolicy) -> Terms {
        var terms = Terms()
        if let approvals = rule.approvals {
            terms.approvals = approvals.count
            terms.from = policy.members(of: approvals.from)
        }
        terms.windows = rule.windows.map { Set($0.map { ExactText($0.text) }) }
        if action == .sshCertificate, let logins = rule.logins {
            let longest = SSHCertificateBody.validity.upperBound
            terms.maximumSeconds = min(logins.maximumSeconds ?? longest, longest)
            terms.extensions = Set((logins.extensions ?? PolicyRule.Logins.defaultExtensions).map { ExactText($0) })
            terms.forceCommand = logins.forceCommand.map { ExactText($0) }
        }
        return terms
    }
}

extension PolicyGrant.Terms {
    /// Whether these ask for no more, and give no less.
    func cover(_ other: PolicyGrant.Terms) -> Bool {
        guard approvals == 0 || (approvals <= other.approvals && from.isSuperset(of: other.from)) else { return false }
        if let windows {
            guard let others = other.windows, windows.isSuperset(of: others) else { return false }
        }
        return maximumSeconds >= other.maximumSeconds && extensions.isSuperset(of: other.extensions)
            && (forceCommand == nil || forceCommand == other.forceCommand)
    }

    /// The terms as they follow a grant in words.
    var text: String {
        var text = ""
        if approvals > 0 {
            let names = from.sorted().map(\.text).joined(separator: ", ")
            text += ", with \(approvals) approval\(approvals == 1 ? "" : "s") of \(names)"
        }
        if let windows { text += ", only \(windows.sorted().map(\.shown).joined(separator: ", "))" }
        if maximumSeconds > 0 {
            text += ", for at most \(Moments.span(Int(maximumSeconds)))"
            let names = extensions.sorted().map(\.shown).joined(separator: ", ")
            text += ", with \(extensions.isEmpty ? "nothing besides" : names)"
        }
        if let forceCommand { text += ", running only '\(forceCommand.shown)'" }
        return text
    }
}

extension PolicyAction {
    var isAboutTags: Bool { self == .enroll || self == .tagNode }

    /// What its objects are called, before and after their names.
    var objectWords: (any: String, none: String, named: String) {
        switch self {
        case .upgrade, .rollBack: ("any package", "", "")
        case .enroll, .tagNode: ("with any tags", "without tags", "with ")
        case .sshCertificate: ("as anybody", "", "as ")
        default: ("", "", "")
        }
    }
}

/// Grants in as few lines as say them all.
struct GrantText {
    private struct Line: Hashable {
        var actions: [String]
        var objects: String
        var nodes: [String]
        var terms: String
    }

    /// A line for each set of grants that differ in one part only.
    static func lines(_ grants: some Sequence<PolicyGrant>) -> [String] {
        var byObject: [Line: Set<String>] = [:]
        for grant in grants {
            let key = Line(
                actions: [grant.action.rawValue],
                objects: "",
                nodes: [grant.nodes.description],
                terms: grant.terms.text
            )
            byObject[key, default: []].insert(word(grant))
        }
        var lines = byObject.map { line, objects in
            var line = line
            line.objects = text(objects.sorted(), line.actions.first ?? "")
            return line
        }
        lines = merged(lines, \.nodes)
        lines = merged(lines, \.actions)
        return lines.map { line in
            [line.actions.joined(separator: ", "), line.objects, "on " + line.nodes.joined(separator: ", ")]
                .filter { !$0.isEmpty }.joined(separator: " ") + line.terms
        }.sorted()
    }

    private static func merged(_ lines: [Line], _ part: WritableKeyPath<Line, [String]>) -> [Line] {
        var groups: [Line: Set<String>] = [:]
        for line in lines {
            var key = line
            key[keyPath: part] = []
            groups[key, default: []].formUnion(line[keyPath: part])
        }
        return groups.map { line, values in
            var line = line
            line[keyPath: part] = values.sorted()
            return line
        }
    }

    private static func word(_ grant: PolicyGrant) -> String {
        switch grant.object {
        case .none: grant.action.objectWords.none
        case .any: grant.action.objectWords.any
        case .named(let name): name.shown
        }
    }

    private static func text(_ objects: [String], _ action: String) -> String {
        let words = PolicyAction(rawValue: action).objectWords
        let text = objects.joined(separator: ", ")
        return objects == [words.any] || objects == [words.none] ? text : words.named + text
    }
}
