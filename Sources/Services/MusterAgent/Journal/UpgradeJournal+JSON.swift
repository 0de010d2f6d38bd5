import ByteCoding
import CanonicalJSON
import MusterModel

extension UpgradeJournal {
    /// Most bytes of a journal.
    static let byteLimit = SignedStatement.byteLimit + 262_144

    /// Reads what `json` wrote.
    init(_ fields: JSONFields) throws(JSONError) {
        assignment = UpdateManifest.Assignment(
            rollout: try fields.name("rollout"),
            target: try fields.string("target", limit: 1024),
            statement: try SignedStatement(try fields.fields("statement"))
        )
        release = try ReleaseDescription(try fields.fields("release"))
        target = UpgradeBody.Target(
            path: assignment.target,
            length: try fields.integer("length"),
            sha256: try fields.hex("sha256", count: 32)
        )
        let name = try fields.string("phase", limit: 32)
        guard let phase = UpgradePhase(rawValue: name) else { throw fields.error("phase", "unknown phase '\(name)'") }
        self.phase = phase
        source = try fields.optional("rollback") { fields, key throws(JSONError) in
            try RollbackSource(try fields.fields(key))
        }
        reason = try fields.string("reason", limit: 65536)
        changed = try fields.milliseconds("changed")
        confirmUntil = try fields.optional("confirm_until") { fields, key throws(JSONError) in
            try fields.milliseconds(key)
        }
        begun = Int(try fields.integer("begun", in: 0...1_000_000))
        proofs = fields.has("proofs") ? Int(try fields.integer("proofs", in: 0...1_000_000)) : 0
    }

    /// The journal as it is kept.
    var json: JSONValue {
        var object: JSONObject = [
            "rollout": .string(rollout.text), "target": .string(target.path), "statement": assignment.statement.json,
            "release": release.json, "length": .integer(target.length), "sha256": .string(Hex.encode(target.sha256)),
            "phase": .string(phase.rawValue), "reason": .string(reason), "changed": .integer(changed.milliseconds),
            "begun": .integer(Int64(begun)), "proofs": .integer(Int64(proofs)),
        ]
        object["rollback"] = source?.json
        object["confirm_until"] = confirmUntil.map { .integer($0.milliseconds) }
        return .object(object)
    }
}
