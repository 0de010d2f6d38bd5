import ByteCoding
import MusterModel
import MusterPolicy

/// A policy in words.
struct PolicySummary: Sendable {
    let policy: FleetPolicy
    private let now: UTCTime

    init(_ policy: FleetPolicy, now: UTCTime) {
        self.policy = policy
        self.now = now
    }

    var lines: [StyledText] {
        var lines: [StyledText] = []
        for (name, person) in policy.operators.sorted(by: { $0.key < $1.key }) {
            lines.append(StyledText("operator \(name)", .bold))
            for key in person.keys {
                let isOver = key.expires <= now
                lines.append(
                    StyledText("  \(key.publicKey) ")
                        + StyledText("\(isOver ? "expired" : "expires") \(key.expires)", isOver ? .loud : .faint)
                )
            }
        }
        for (name, person) in policy.operators.sorted(by: { $0.key < $1.key }) where !person.logins.isEmpty {
            let logins = person.logins.joined(separator: ", ")
            lines.append(StyledText("\(logins) on the tailnet reads as \(name)"))
        }
        for (name, members) in policy.groups.sorted(by: { $0.key < $1.key }) {
            lines.append(StyledText("group \(name): \(members.map(\.text).joined(separator: ", "))"))
        }
        for (name, command) in policy.commands.sorted(by: { $0.key < $1.key }) { lines += describe(name, command) }
        for rule in policy.rules { lines += describe(rule) }
        lines += pace
        for part in policy.unknownParts { lines.append(StyledText("not understood: \(part)", .warning)) }
        return lines
    }

    private func describe(_ rule: PolicyRule) -> [StyledText] {
        var lines = [StyledText("rule: \(rule.name)", .bold)]
        let who = rule.who.map(\.description).joined(separator: ", ")
        let actions = rule.allow.map(\.description).joined(separator: ", ")
        let nodes = rule.nodes.map(\.description).joined(separator: ", ")
        lines.append(StyledText("  \(who) may \(actions) on \(nodes)"))
        if let packages = rule.packages {
            lines.append(StyledText("  packages: \(packages.map(VisibleText.ascii).joined(separator: ", "))"))
        }
        switch rule.tags {
        case nil: break
        case .any: lines.append("  tags: any")
        case .only(let tags):
            lines.append(StyledText("  tags: \(tags.sorted().map(\.text).joined(separator: ", "))"))
        }
        if let logins = rule.logins { lines += describe(logins) }
        switch rule.commands {
        case nil: break
        case .any: lines.append("  commands: any")
        case .only(let names):
            lines.append(StyledText("  commands: \(names.sorted().map(\.text).joined(separator: ", "))"))
        }
        if let windows = rule.windows {
            lines.append(StyledText("  only \(windows.map(\.text).joined(separator: ", "))"))
        }
        if let approvals = rule.approvals {
            let from = approvals.from.map(\.description).joined(separator: ", ")
            lines.append(
                StyledText("  needs \(approvals.count) approval\(approvals.count == 1 ? "" : "s") from \(from)")
            )
        }
        return lines
    }

    private func describe(_ name: CommandName, _ command: ApprovedCommand) -> [StyledText] {
        var lines = [StyledText("command \(name)", .bold) + StyledText(command.text.map { ": \($0)" } ?? "", .faint)]
        let argv = command.argv.map(RunWords.quotedInASCII).joined(separator: " ")
        lines.append(StyledText("  \(argv) as \(command.user), for at most \(command.timeoutSeconds) s"))
        for (name, parameter) in command.parameters.sorted(by: { $0.key < $1.key }) {
            lines.append(StyledText("  {\(name)}: \(Self.text(parameter))"))
        }
        if command.directory != "/" { lines.append(StyledText("  in \(VisibleText.ascii(command.directory))")) }
        for (name, value) in command.environment.sorted(by: { $0.key < $1.key }) {
            lines.append(StyledText("  with \(VisibleText.ascii(name))=\(Self.line(value))"))
        }
        if let input = command.input { lines.append(StyledText("  reads \(Self.line(input))")) }
        if !command.environmentAllow.isEmpty {
            lines.append(StyledText("  may be given: \(command.environmentAllow.joined(separator: ", "))"))
        }
        return lines
    }

    /// Text of which every byte counts, on one line.
    private static func line(_ text: String) -> String { "'" + RunWords.escaped(text) { !$0.isASCII } + "'" }

    private static func text(_ parameter: CommandParameter) -> String {
        var text: String
        switch parameter.kind {
        case .text(let pattern): text = "text like \(VisibleText.ascii(pattern.text))"
        case .integer(let minimum, let maximum): text = "\(minimum) to \(maximum)"
        case .choice(let values): text = "one of \(values.map(VisibleText.ascii).joined(separator: ", "))"
        case .unknown(let type): text = "of unknown type \(type)"
        }
        if let list = parameter.list { text += ", 1 to \(list) values" }
        if parameter.isSecret { text += ", secret" }
        if let standard = parameter.standard {
            text += "; without it \(standard.map(VisibleText.ascii).joined(separator: " "))"
        }
        return text
    }

    private func describe(_ logins: PolicyRule.Logins) -> [StyledText] {
        let accounts: String
        switch logins.users {
        case .any: accounts = "any account"
        case .only(let names): accounts = names.sorted().map(\.text).joined(separator: ", ")
        }
        let longest = SSHCertificateBody.validity.upperBound
        let seconds = min(logins.maximumSeconds ?? longest, longest)
        var lines = [StyledText("  logs in as \(accounts), for at most \(seconds / 60) minutes")]
        let extensions = logins.extensions ?? PolicyRule.Logins.defaultExtensions
        lines.append(
            StyledText("  sessions get \(extensions.isEmpty ? "nothing besides" : extensions.joined(separator: ", "))")
        )
        if let command = logins.forceCommand { lines.append(StyledText("  runs only: \(VisibleText.ascii(command))")) }
        return lines
    }
}
