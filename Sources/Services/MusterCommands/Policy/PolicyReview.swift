import ByteCoding
import CanonicalJSON
import MusterPolicy

/// A policy's source as it is looked at before anybody signs it: mistakes, or the policy with its tests and remarks.
struct PolicyReview: Sendable {
    let file: String
    let mistakes: [PolicyMistake]
    /// Nil where there are mistakes.
    let compiled: PolicySource.Compiled?
    let outcomes: [PolicyTest.Outcome]
    let remarks: [PolicyRemarks.Remark]

    /// Reads and compiles the file to version `version`; fails only where it cannot be read.
    init(file: String, version: Int64 = 1, expires: UTCTime, now: UTCTime) throws {
        self.file = file
        let source: PolicySource
        do {
            source = try PolicySource(file: file)
        } catch {
            throw CommandFailure.undetermined("\(error)")
        }
        do {
            let compiled = try source.compile(version: version, issued: now.wholeSeconds, expires: expires)
            mistakes = []
            self.compiled = compiled
            outcomes = compiled.tests.map { $0.run(compiled.policy, now: now) }
            remarks = PolicyRemarks.of(compiled, now: now)
        } catch let found as PolicyMistakes {
            mistakes = found.all
            compiled = nil
            outcomes = []
            remarks = []
        }
    }

    /// The tests that found another decision.
    var differing: [PolicyTest.Outcome] { outcomes.filter { $0.difference != nil } }

    /// The rules that decided no test.
    var untested: [String] {
        let tested = Set(outcomes.compactMap(\.answer.rule))
        return compiled?.policy.rules.map(\.name).filter { !tested.contains($0) } ?? []
    }

    /// The policy, or every mistake on a line of its own and a failure that counts them.
    func policy(_ terminal: Terminal) throws -> PolicySource.Compiled {
        if let compiled { return compiled }
        for mistake in mistakes { terminal.note(mistake.description) }
        throw failure
    }

    /// The failure that the mistakes are.
    var failure: CommandFailure {
        .refused("\(file) has \(mistakes.count) mistake\(mistakes.count == 1 ? "" : "s")")
    }

    /// Fails where a test does, saying each that does.
    func requireTests(_ terminal: Terminal) throws {
        guard !differing.isEmpty else { return }
        for outcome in differing {
            terminal.note("\(file):\(outcome.test.line): test '\(outcome.test.name)': \(outcome.difference ?? "")")
        }
        throw CommandFailure.refused("\(differing.count) of \(outcomes.count) tests of \(file) fail")
    }

    var json: JSONValue {
        var object: JSONObject = [
            "file": .string(file), "mistakes": .array(mistakes.map(\.json)),
            "remarks": .array(remarks.map(\.json)), "tests": .array(outcomes.map(\.json)),
            "untested_rules": .array(untested.map { .string($0) }),
        ]
        if let compiled { object["policy"] = compiled.policy.json }
        return .object(object)
    }
}
