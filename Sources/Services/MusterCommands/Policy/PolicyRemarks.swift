import ByteCoding
import CanonicalJSON
import MusterModel
import MusterPolicy

/// What a careful author wants to know of a policy that has no mistakes: parts that do nothing, and parts that do much.
struct PolicyRemarks {
    /// A key is said to expire soon so many days before.
    private static let soonDays: Int64 = 30

    /// One thing worth knowing.
    struct Remark: Hashable, Sendable {
        /// Whether something is probably not as meant; else it is only worth knowing.
        let isWarning: Bool
        let place: PolicyMistake

        var json: JSONValue {
            guard case .object(var object) = place.json else { return place.json }
            object["warning"] = .bool(isWarning)
            return .object(object)
        }
    }

    private let compiled: PolicySource.Compiled
    private let now: UTCTime
    private var remarks: [Remark] = []
    private var policy: FleetPolicy { compiled.policy }

    /// What there is to say, in the order of the source's lines.
    static func of(_ compiled: PolicySource.Compiled, now: UTCTime) -> [Remark] {
        var found = PolicyRemarks(compiled: compiled, now: now)
        found.lookAtOperators()
        found.lookAtGroups()
        found.lookAtRules()
        found.lookAtPace()
        found.lookAtCommands()
        found.lookAtTests()
        return found.remarks.sorted { ($0.place.line, $0.place.column) < ($1.place.line, $1.place.column) }
    }

    private init(compiled: PolicySource.Compiled, now: UTCTime) {
        self.compiled = compiled
        self.now = now
    }

    private mutating func warn(_ path: String, _ text: String) {
        remarks.append(Remark(isWarning: true, place: compiled.source.mistake(at: path, text)))
    }

    private mutating func mention(_ path: String, _ text: String) {
        remarks.append(Remark(isWarning: false, place: compiled.source.mistake(at: path, text)))
    }

    // MARK: - Operators and groups

    private mutating func lookAtOperators() {
        let soon = now.adding(seconds: Self.soonDays * 86400)
        for (name, person) in policy.operators.sorted(by: { $0.key < $1.key }) {
            if person.keys.isEmpty { warn("operators.\(name)", "\(name) has no key, so can neither ask nor approve") }
            for (index, key) in person.keys.enumerated() where key.expires <= soon {
                let path = "operators.\(name).keys[\(index)].expires"
                if key.expires <= now {
                    warn(path, "this key of \(name) expired at \(key.expires)")
                } else {
                    let days = (key.expires.seconds - now.seconds) / 86400
                    warn(path, "this key of \(name) expires in \(days) days: put the next one beside it")
                }
            }
        }
        if policy.expires <= soon {
            warn("expires", "the policy \(policy.expires <= now ? "has expired" : "expires soon")")
        }
    }

    private mutating func lookAtGroups() {
        var used: Set<OperatorName> = []
        for subject in policy.rules.flatMap({ $0.who + ($0.approvals?.from ?? []) }) {
            if case .group(let name) = subject { used.insert(name) }
        }
        for (name, members) in policy.groups.sorted(by: { $0.key < $1.key }) {
            if members.isEmpty { warn("groups.\(name)", "the group has no members") }
            if !used.contains(name) { warn("groups.\(name)", "no rule and no tag names the group") }
        }
    }

    // MARK: - Rules

    private mutating func lookAtRules() {
        let giveable = giveableTags
        for (index, rule) in policy.rules.enumerated() {
            // Rules made of `tags` have no place of their own.
            let path = index < PolicyForm.entries(compiled.source.value["rules"]).count ? "rules[\(index)]" : "tags"
            let askers = policy.members(of: rule.who).filter(canSign)
            if rule.allow.isEmpty || rule.nodes.isEmpty {
                warn(path, "rule '\(rule.name)' can never be met: 'allow' or 'nodes' is empty")
            } else if askers.isEmpty {
                warn(path, "rule '\(rule.name)' can never be met: nobody in 'who' has a key that is good now")
            } else {
                lookAtApprovals(of: rule, askers, path)
            }
            if let giveable {
                for (number, selector) in rule.nodes.enumerated() {
                    guard case .tag(let tag) = selector, !giveable.contains(tag) else { continue }
                    warn("\(path).nodes[\(number)]", "no rule lets anybody give a node the tag '\(tag)'")
                }
            }
        }
    }

    private mutating func lookAtApprovals(of rule: PolicyRule, _ askers: Set<OperatorName>, _ path: String) {
        guard let approvals = rule.approvals else { return }
        let from = policy.members(of: approvals.from).filter(canSign)
        let stuck = askers.filter { from.subtracting([$0]).count < approvals.count }
        guard !stuck.isEmpty else { return }
        let who = stuck.count == askers.count ? "can never be met" : "can never be met by \(Self.list(stuck))"
        warn(
            path + ".approvals",
            "rule '\(rule.name)' \(who): too few others in 'from' have a key that is good now, and whoever asks never counts"
        )
    }

    private func canSign(_ name: OperatorName) -> Bool {
        policy.operators[name]?.keys.contains { $0.expires > now } ?? false
    }

    /// The tags that some rule lets somebody give; nil where any can be given.
    private var giveableTags: Set<Tag>? {
        var tags: Set<Tag> = []
        for rule in policy.rules where rule.allow.contains(.tagNode) || rule.allow.contains(.enroll) {
            switch rule.tags {
            case nil: break
            case .any: return nil
            case .only(let named): tags.formUnion(named)
            }
        }
        return tags
    }

    // MARK: - Pace

    private mutating func lookAtPace() {
        for (index, freeze) in policy.freezes.enumerated() {
            let path = "freezes[\(index)]"
            if freeze.until <= now { mention(path, "the freeze is over since \(freeze.until)") }
            if freeze.nodes.isEmpty { warn(path, "the freeze is for no nodes: 'nodes' is empty") }
        }
        guard let giveable = giveableTags else { return }
        for tag in policy.limits.keys.sorted() where !giveable.contains(tag) {
            warn("limits.\(tag)", "no rule lets anybody give a node the tag '\(tag)'")
        }
    }

    // MARK: - Commands

    private mutating func lookAtCommands() {
        var named: Set<CommandName> = []
        var allowsAny = false
        for rule in policy.rules {
            switch rule.commands {
            case nil: break
            case .any: allowsAny = true
            case .only(let names): named.formUnion(names)
            }
        }
        for (name, command) in policy.commands.sorted(by: { $0.key < $1.key }) {
            let path = "commands.\(name)"
            if !allowsAny, !named.contains(name) { warn(path, "no rule names the command, so nobody may run it") }
            lookForShell(command, path)
            lookForSecrets(command, path)
        }
    }

    private mutating func lookForShell(_ command: ApprovedCommand, _ path: String) {
        let program = command.argv.first.map { $0.split(separator: "/").last.map(String.init) ?? $0 } ?? ""
        guard ["sh", "bash", "dash", "ash", "zsh", "ksh", "fish"].contains(program) else { return }
        mention("\(path).argv[0]", "the command is a shell: what it is given as a script runs as code")
        for (index, word) in command.argv.enumerated() {
            guard index > 0, command.argv[index - 1].hasPrefix("-"), command.argv[index - 1].hasSuffix("c"),
                let names = try? CommandTemplate(word).parameters, let name = names.first
            else { continue }
            warn(
                "\(path).argv[\(index)]",
                "{\(name)} stands inside the script: write \"$1\" there and give {\(name)} as a word after it"
            )
        }
    }

    private mutating func lookForSecrets(_ command: ApprovedCommand, _ path: String) {
        if !command.secrets.isEmpty {
            let names = command.secrets.map(\.text).joined(separator: ", ")
            mention(path, "takes secrets (\(names)): sealed to each node, masked in the output there")
        }
        for (name, parameter) in command.parameters.sorted(by: { $0.key < $1.key })
        where !parameter.isSecret && Self.soundsSecret(name.text) {
            warn(
                "\(path).parameters.\(name)",
                "sounds like a secret: without 'secret: true' its values are kept and shown"
            )
        }
        for (name, value) in command.environment.sorted(by: { $0.key < $1.key }) where Self.soundsSecret(name) {
            guard let template = try? CommandTemplate(value), template.parameters.isEmpty, !value.isEmpty else {
                continue
            }
            warn(
                "\(path).environment.\(name)",
                "stands in the policy, which every node and operator reads: make it a secret parameter"
            )
        }
    }

    private static func soundsSecret(_ name: String) -> Bool {
        let name = name.lowercased()
        return ["password", "passwd", "passphrase", "secret", "token", "credential", "api_key", "apikey"]
            .contains { name.contains($0) }
    }

    // MARK: - Tests

    private mutating func lookAtTests() {
        for (index, test) in compiled.tests.enumerated() where test.at == nil {
            let action = test.question.request.action
            let isFrozen = action == .upgrade && !policy.freezes.isEmpty
            guard isFrozen || policy.rules.contains(where: { $0.windows != nil && $0.allow.contains(action) }) else {
                continue
            }
            warn(
                "tests[\(index)]",
                "without 'at' the outcome depends on when it is tested: \(isFrozen ? "there are freezes" : "rules for \(action) have windows")"
            )
        }
    }

    private static func list(_ names: Set<OperatorName>) -> String {
        names.sorted().map(\.text).joined(separator: ", ")
    }
}
