import ByteCoding
import CanonicalJSON
import MusterSystem

/// How far the last change of sshd's configuration came, so that a killed agent finishes or undoes it.
struct SSHDSetupRecord: Hashable, Sendable {
    /// Most bytes of the file: a drop-in as it was fits.
    static let byteLimit = 1 << 20

    /// SHA-256 of the drop-in that passed `sshd -t` in its place; empty before one did.
    var checked = ""
    /// SHA-256 of everything that the running sshd was made to read.
    var loaded = ""
    /// What was in the drop-in's place before the change that is going on; nil where there was nothing.
    var previous: [UInt8]?

    init() {}

    init(_ fields: JSONFields) throws(JSONError) {
        checked = try fields.string("checked", limit: 64)
        loaded = try fields.string("loaded", limit: 64)
        previous = try fields.optional("previous") { fields, key throws(JSONError) in
            try fields.base64(key, limit: Self.byteLimit / 2)
        }
    }

    var json: JSONValue {
        [
            "checked": .string(checked), "loaded": .string(loaded),
            "previous": previous.map { .string(Base64.encode($0)) } ?? .null,
        ]
    }

    /// Reads the record; a damaged one is as good as none, since everything is then checked and loaded anew.
    static func load(_ path: String) -> SSHDSetupRecord {
        let record = try? StateFile.load(path, limit: byteLimit) { fields throws(JSONError) in
            try SSHDSetupRecord(fields)
        }
        return (record ?? nil) ?? SSHDSetupRecord()
    }

    func store(_ path: String) throws(SystemError) {
        try StateFile.store(json, path)
    }
}
