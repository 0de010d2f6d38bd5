import ByteCoding
import CanonicalJSON
import MusterModel
import MusterPolicy

/// What a new policy changes for people, not in its text: who gains and who loses what.
///
/// A grant is gained where none of the old ones allows as much on terms as easy, and lost where none of the new ones does:
/// moving a rule, or splitting one in two, changes nothing.
struct PolicyDifference: Sendable {
    /// The same change for some operators.
    struct Change: Hashable, Sendable {
        let who: [OperatorName]
        /// The grants, in words.
        let what: [String]
        /// Of what is lost, what stays on harder terms.
        var now: [String] = []

        var json: JSONValue {
            var object: JSONObject = ["operators": JSONValue(who), "grants": .array(what.map { .string($0) })]
            if !now.isEmpty { object["now"] = .array(now.map { .string($0) }) }
            return .object(object)
        }
    }

    /// A command whose definition changed.
    struct CommandChange: Sendable {
        let name: CommandName
        let before: ApprovedCommand?
        let after: ApprovedCommand?

        /// Whether nothing of it differs, byte by byte.
        var isNone: Bool {
            switch (before, after) {
            case (nil, nil): true
            case (let before?, let after?): before.isSame(as: after)
            default: false
            }
        }
    }

    let gains: [Change]
    let losses: [Change]
    let commands: [CommandChange]
    /// Operators and keys that come and go, in words.
    let people: [String]
    /// Freezes, limits and urgency that come and go, in words.
    let pace: [String]

    init(from before: FleetPolicy, to after: FleetPolicy) {
        var gained: [[[String]]: [OperatorName]] = [:]
        var lost: [[[String]]: [OperatorName]] = [:]
        var known: [[Int]: (gained: [String], lost: [String], now: [String])] = [:]
        let old = before.rules.map { PolicyGrant.of($0, before) }
        let new = after.rules.map { PolicyGrant.of($0, after) }
        for name in Set(before.operators.keys).union(after.operators.keys).sorted() {
            // Operators of the same rules gain and lose the same.
            let oldRules = Self.rules(of: name, before)
            let newRules = Self.rules(of: name, after)
            let key = oldRules + [-1] + newRules
            let change =
                known[key]
                ?? Self.change(oldRules.flatMap { old[$0] }, newRules.flatMap { new[$0] })
            known[key] = change
            if !change.gained.isEmpty { gained[[change.gained, []], default: []].append(name) }
            if !change.lost.isEmpty { lost[[change.lost, change.now], default: []].append(name) }
        }
        gains = Self.sorted(gained)
        losses = Self.sorted(lost)
        commands = Set(before.commands.keys).union(after.commands.keys).sorted().compactMap { name in
            let change = CommandChange(name: name, before: before.commands[name], after: after.commands[name])
            return change.isNone ? nil : change
        }
        people = Self.people(before, after)
        pace = PolicyPace.changes(from: before, to: after)
    }

    /// Whether nothing changes for anybody.
    var isEmpty: Bool { gains.isEmpty && losses.isEmpty && commands.isEmpty && people.isEmpty && pace.isEmpty }

    var lines: [StyledText] {
        guard !isEmpty else { return [StyledText("nobody gains or loses anything", .faint)] }
        var lines = (people + pace).map { StyledText($0) }
        for change in losses { lines += Self.lines(change, "loses", "-", .loud) }
        for change in gains { lines += Self.lines(change, "gains", "+", .good) }
        for change in commands { lines += Self.lines(change) }
        return lines
    }

    var json: JSONValue {
        [
            "same": .bool(isEmpty), "gains": .array(gains.map(\.json)), "losses": .array(losses.map(\.json)),
            "people": .array(people.map { .string($0) }), "pace": .array(pace.map { .string($0) }),
            "commands": .array(
                commands.map { change in
                    var object: JSONObject = ["name": JSONValue(change.name)]
                    if let before = change.before { object["before"] = before.json }
                    if let after = change.after { object["after"] = after.json }
                    return .object(object)
                }
            ),
        ]
    }

    // MARK: - Comparing

    private static func rules(of name: OperatorName, _ policy: FleetPolicy) -> [Int] {
        policy.rules.indices.filter { policy.isMember(name, of: policy.rules[$0].who) }
    }

    private static func change(
        _ before: [PolicyGrant],
        _ after: [PolicyGrant]
    ) -> (gained: [String], lost: [String], now: [String]) {
        let gained = after.filter { grant in !before.contains { $0.covers(grant) } }
        let lost = before.filter { grant in !after.contains { $0.covers(grant) } }
        let now = after.filter { grant in
            !gained.contains(grant) && lost.contains { $0.isSame(as: grant) }
        }
        return (GrantText.lines(gained), GrantText.lines(lost), GrantText.lines(now))
    }

    private static func sorted(_ changes: [[[String]]: [OperatorName]]) -> [Change] {
        changes.map { Change(who: $0.value.sorted(), what: $0.key[0], now: $0.key[1]) }.sorted {
            $0.who.map(\.text).lexicographicallyPrecedes($1.who.map(\.text))
        }
    }

    private static func people(_ before: FleetPolicy, _ after: FleetPolicy) -> [String] {
        var lines: [String] = []
        for name in Set(before.operators.keys).union(after.operators.keys).sorted() {
            let old = before.operators[name]?.keys ?? []
            let new = after.operators[name]?.keys ?? []
            if before.operators[name] == nil { lines.append("+ operator \(name)") }
            if after.operators[name] == nil { lines.append("- operator \(name)") }
            for key in old where !new.contains(where: { $0.publicKey == key.publicKey }) {
                lines.append("- \(name): key \(key.publicKey)")
            }
            for key in new {
                guard let present = old.first(where: { $0.publicKey == key.publicKey }) else {
                    lines.append("+ \(name): key \(key.publicKey), until \(key.expires)")
                    continue
                }
                if present.expires != key.expires {
                    lines.append("~ \(name): key \(key.publicKey) until \(key.expires), was \(present.expires)")
                }
                if present.requiresTouch != key.requiresTouch {
                    lines.append(
                        "~ \(name): key \(key.publicKey) \(key.requiresTouch ? "must" : "need not") be touched"
                    )
                }
            }
            let logins = [before, after].map { ($0.operators[name]?.logins ?? []).map { ExactText($0) } }
            for login in logins[0] where !logins[1].contains(login) {
                lines.append("- \(name): reads as \(login.shown)")
            }
            for login in logins[1] where !logins[0].contains(login) {
                lines.append("+ \(name): reads as \(login.shown)")
            }
        }
        return lines
    }

    // MARK: - Showing

    private static func lines(
        _ change: Change,
        _ verb: String,
        _ sign: String,
        _ style: StyledText.Style
    ) -> [StyledText] {
        let who = change.who.map(\.text).joined(separator: ", ")
        let verb = change.who.count == 1 ? verb : String(verb.dropLast())
        return [StyledText(who, .bold) + StyledText(" \(verb)")]
            + change.what.map { StyledText("  \(sign) ", style) + StyledText($0) }
            + change.now.map { StyledText("  ~ ", .warning) + StyledText("now: \($0)") }
    }

    private static func lines(_ change: CommandChange) -> [StyledText] {
        guard let before = change.before, let after = change.after else {
            return [StyledText("\(change.before == nil ? "+" : "-") command \(change.name)", .bold)]
        }
        return [StyledText("~ command \(change.name), for whoever may run it", .bold)]
            + TextDifference.lines(from: before.json.prettyText, to: after.json.prettyText)
    }
}
