import ByteCoding
import CanonicalJSON
import MusterTestSupport
import TUF
import Testing

@Suite struct TUFRecordTests {
    private static let hash = String(repeating: "ab", count: 32)
    private static let header: JSONObject = [
        "spec_version": "1.0.34", "version": 1, "expires": "2100-01-01T00:00:00Z",
    ]

    private func targets(_ change: (inout JSONObject) -> Void) throws -> Targets {
        var object = Self.header
        object["_type"] = "targets"
        object["targets"] = ["a": ["length": 1, "hashes": ["sha256": .string(Self.hash)]]]
        change(&object)
        return try Targets(try SignedEnvelope(signed: .object(object)))
    }

    @Test("metadata that is written is read again the same")
    func roundTrip() throws {
        let key = TestKey("a").tuf
        let expires = UTCTime(seconds: 4_000_000_000)
        let role = RoleKeys(keyIDs: [key.id], threshold: 1)
        let root = try Root(
            version: 3,
            expires: expires,
            keys: [key],
            roles: Dictionary(uniqueKeysWithValues: Root.Role.allCases.map { ($0, role) })
        )
        #expect(try Root(try JSONFields(root.json)).json == root.json)
        let delegations = try Delegations(
            keys: [key],
            roles: .named([
                DelegatedRole(name: "releases", keys: role, terminating: true, scope: .paths(["releases/*"])),
                DelegatedRole(name: "other", keys: role, terminating: false, scope: .hashPrefixes(["00", "ff0"])),
            ])
        )
        let file = TargetFile(path: "x/y", content: [1, 2, 3], custom: ["muster": ["counter": 4]])
        let targets = try Targets(version: 1, expires: expires, targets: [file], delegations: delegations)
        let read = try Targets(try SignedEnvelope(signed: targets.json))
        #expect(read.json == targets.json)
        #expect(read.file("x/y") == file)
        #expect(read.files == [file])
        #expect(read.file("x/z") == nil)
        #expect(read.delegations?.roleKeys("releases")?.keys == [key.id: key])
    }

    @Test("an envelope keeps the bytes it was read from, and signatures that are added verify")
    func envelope() throws {
        let text = #"{ "signatures": [], "signed": {"b": 1, "a": "\u0041\n"} , "extra": 1 }"#
        let envelope = try SignedEnvelope(parsing: Array(text.utf8), limit: 1000)
        #expect(envelope.bytes == Array(text.utf8))
        #expect(envelope.canonicalBytes == Array("{\"a\":\"A\n\",\"b\":1}".utf8))
        let key = TestKey("a")
        let signed = try envelope.adding(key.sign(envelope)).adding(TestKey("b").sign(envelope))
        #expect(signed.canonicalBytes == envelope.canonicalBytes)
        #expect(signed.signatures.count == 2)
        #expect(try signed.adding(key.sign(envelope)).signatures.count == 2)
        #expect(key.tuf.verify(signature: signed.signatures[0].signature, message: signed.canonicalBytes))
    }

    @Test("keys are equal by what they are, not by how they are written")
    func keyEquality() throws {
        let pem = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\nAAAA\n-----END PUBLIC KEY-----\n"
        func key(_ type: String, _ text: String) throws -> TUFKey {
            try TUFKey(
                try JSONFields([
                    "keytype": .string(type), "scheme": "ecdsa-sha2-nistp256", "keyval": ["public": .string(text)],
                ])
            )
        }
        let spaced = pem.split(separator: "\n").joined(separator: "\r\n")
        #expect(try key("ecdsa", pem) == key("ecdsa-sha2-nistp256", spaced))
        #expect(try key("ecdsa", pem).id != key("ecdsa-sha2-nistp256", pem).id)
        #expect(TestKey("a").tuf != TestKey("b").tuf)
    }

    @Test(
        "malformed targets are refused",
        arguments: [
            ("version", 0), ("version", true), ("version", "1"), ("version", -1), ("expires", "2100-01-01T00:00:00"),
            ("expires", "2100-01-01T00:00:00.0Z"), ("expires", "2100-02-30T00:00:00Z"), ("expires", 5),
            ("_type", "snapshot"), ("targets", []), ("targets", .null), ("targets", ["a": ["length": 1]]),
            ("targets", ["a": ["length": -1, "hashes": ["sha256": .string(hash)]]]),
            ("targets", ["a": ["length": 1, "hashes": [:]]]),
            ("targets", ["a": ["length": 1, "hashes": ["sha256": "AB"]]]),
            ("targets", ["a": ["length": 1, "hashes": ["sha256": .string(hash)], "custom": 1]]),
            ("targets", ["a": ["length": "1", "hashes": ["sha256": .string(hash)]]]), ("targets", ["a": 1]),
        ] as [(String, JSONValue)]
    )
    func malformed(member: String, value: JSONValue) throws {
        #expect(throws: JSONError.self) { try targets { $0[member] = value } }
        #expect(throws: JSONError.self) { try targets { $0[member] = nil } }
    }

    @Test("other hash algorithms are read, unknown members kept")
    func lenient() throws {
        let read = try targets {
            $0["targets"] = [
                "a": ["length": 1, "hashes": ["blake2b": "00", "sha256": .string(Self.hash)], "x": 1],
                "b": ["length": 1, "hashes": ["blake2b": "00"]],
            ]
        }
        #expect(read.file("a")?.hashes.isVerifiable == true)
        #expect(read.file("b")?.hashes.isVerifiable == false)
    }

    @Test(
        "delegations: paths or prefixes, roles or bins, never both, never neither, no name twice, no top-level name",
        arguments: [
            ["name": "a", "keyids": [], "threshold": 1, "terminating": false],
            ["name": "a", "keyids": [], "threshold": 1, "terminating": false, "paths": [], "path_hash_prefixes": []],
            ["name": "root", "keyids": [], "threshold": 1, "terminating": false, "paths": []],
            ["name": "", "keyids": [], "threshold": 1, "terminating": false, "paths": []],
            ["name": "a", "keyids": [], "threshold": 0, "terminating": false, "paths": []],
            ["name": "a", "keyids": ["k", "k"], "threshold": 1, "terminating": false, "paths": []],
            ["name": "a", "keyids": [""], "threshold": 1, "terminating": false, "paths": []],
            ["name": "a", "keyids": [], "threshold": 1, "terminating": 0, "paths": []],
            ["name": "a", "keyids": [], "threshold": 1, "terminating": false, "path_hash_prefixes": ["XY"]],
        ] as [JSONValue]
    )
    func badDelegation(role: JSONValue) throws {
        #expect(throws: JSONError.self) { try Delegations(try JSONFields(["keys": [:], "roles": [role]])) }
        let good: JSONValue = ["name": "a", "keyids": [], "threshold": 1, "terminating": false, "paths": []]
        _ = try Delegations(try JSONFields(["keys": [:], "roles": [good]]))
        #expect(throws: JSONError.self) { try Delegations(try JSONFields(["keys": [:], "roles": [good, good]])) }
        #expect(throws: JSONError.self) { try Delegations(try JSONFields(["keys": [:]])) }
        let bins: JSONValue = ["keyids": [], "threshold": 1, "bit_length": 8, "name_prefix": "bin"]
        _ = try Delegations(try JSONFields(["keys": [:], "succinct_roles": bins]))
        #expect(throws: JSONError.self) {
            try Delegations(try JSONFields(["keys": [:], "roles": [good], "succinct_roles": bins]))
        }
    }

    @Test(
        "names of hash bins",
        arguments: [(1, 1, "b-1"), (4, 10, "b-a"), (8, 10, "b-0a"), (9, 256, "b-100"), (32, 1, "b-00000001")]
    )
    func bins(bits: Int, bin: UInt32, name: String) throws {
        let roles = SuccinctRoles(keys: RoleKeys(keyIDs: [], threshold: 1), bitLength: bits, namePrefix: "b")
        #expect(roles.name(ofBin: bin) == name)
        #expect(roles.contains(name))
        #expect(roles.contains(roles.name(for: "any path")))
        for other in ["b", "b-", "b-zz", "c-1", name + "0", "b-+1", "b-0" + name.dropFirst(2), "b-ffffffffff"] {
            #expect(!roles.contains(other))
        }
        for bad in [0, 33] as [Int64] {
            let json: JSONValue = ["keyids": [], "threshold": 1, "bit_length": .integer(bad), "name_prefix": "b"]
            #expect(throws: JSONError.self) { try SuccinctRoles(try JSONFields(json)) }
        }
    }
}
