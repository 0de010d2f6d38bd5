import ByteCoding
import CanonicalJSON
import MusterModel
import MusterSystem
import MusterTestSupport
import OpenSSHFormats
import SignatureVerification
import Testing

/// A thief has the user CA's key, and signs whatever sshd would take: not one login comes of it.
///
/// Each certificate is validly signed by the CA that sshd trusts. One honest certificate at the end of every test shows that
/// the door was there.
@Suite(
    "A stolen CA key opens no door",
    .enabled(if: SSHDFixture.obstacle == nil, "\(SSHDFixture.obstacle ?? "")"),
    .timeLimit(.minutes(60))
)
struct StolenCertificateAuthorityTests {
    static let authority = FleetSimulator.userAuthority
    /// The thief's own key.
    static let thief = TestKey("thief")

    /// Expects that sshd refuses every certificate, and lets the honest one in.
    func expectNoLogin(
        _ node: SSHNode,
        _ drafts: [(name: String, draft: CertificateDraft, key: TestKey)]
    ) async throws {
        for (name, draft, key) in drafts {
            let outcome = try await node.logIn(try draft.signed(by: Self.authority), key: key)
            #expect(outcome.isDenied, "\(name): \(outcome)")
        }
        let accepted = node.sshd.log.split(separator: "\n").filter { $0.contains("Accepted") }
        #expect(accepted.isEmpty, "\(accepted)")
        #expect(try await node.logIn(try node.certificate()).isLogin)
    }

    @Test("a certificate without a statement, or with something else in its place, lets nobody in")
    func noStatement() async throws {
        try await withSSHNode { node in
            let thief = Self.thief
            let honest = try node.statement(try node.body(thief))
            func draft(_ statement: [UInt8]?) throws -> CertificateDraft {
                var draft = try node.draft(nil, key: thief)
                draft.statement = statement
                return draft
            }
            var unsigned = honest
            unsigned.signatures = []
            var endless = try draft(nil)
            endless.validBefore = UTCTime(seconds: 253_402_300_799)
            endless.sourceAddress = nil
            try await expectNoLogin(
                node,
                [
                    ("no statement", try draft(nil), thief), ("an empty statement", try draft([]), thief),
                    ("no JSON", try draft(Array("yes".utf8)), thief),
                    ("an empty object", try draft(Array("{}".utf8)), thief),
                    ("a statement without signatures", try draft(unsigned.json.canonicalBytes), thief),
                    ("no statement and no limits", endless, thief),
                ]
            )
        }
    }

    @Test("a certificate made by plain ssh-keygen -s lets nobody in, with whatever options")
    func plainSSHKeygen() async throws {
        try await withSSHNode { node in
            let folder = try TemporaryFolder()
            try AtomicFile.write(try Self.authority.privateKeyFile, to: folder.file("ca"))
            try AtomicFile.write(try Self.thief.privateKeyFile, to: folder.file("id"))
            try AtomicFile.write(Array((try Self.thief.ssh.line + "\n").utf8), to: folder.file("id.pub"))
            let user = SSHDFixture.user
            let cases: [(String, [String])] = [
                ("a plain certificate", ["-n", user]), ("with a far end", ["-n", user, "-V", "-1d:+520w"]),
                ("without principals", []), ("with many principals", ["-n", "\(user),daemon,nobody"]),
                ("with a source address", ["-n", user, "-O", "source-address=127.0.0.0/8"]),
                ("with a false statement", ["-n", user, "-O", "extension:statement@muster=yes"]),
                ("with a forced command", ["-n", user, "-O", "force-command=echo welcome"]),
                ("with an honest-looking key ID", ["-n", user, "-z", "101", "-I", "ada/laptop/0123456789abcdef"]),
            ]
            for (name, arguments) in cases {
                let status = try await RunningProgram.run(
                    "/usr/bin/ssh-keygen",
                    ["-q", "-s", folder.file("ca"), "-I", "thief", "-V", "-5m:+1h"] + arguments + [
                        folder.file("id.pub")
                    ],
                    log: folder.file("keygen.log")
                )
                #expect(status == 0)
                let identity = ["-i", folder.file("id"), "-o", "CertificateFile=\(folder.file("id-cert.pub"))"]
                let outcome = try await node.sshd.ssh(identity)
                #expect(outcome.isDenied, "\(name): \(outcome)")
            }
            #expect(!node.sshd.log.contains("Accepted"))
            #expect(try await node.logIn(try node.certificate()).isLogin)
        }
    }

    @Test("another operator's statement, stolen from a certificate, does not fit the thief's key, account or node")
    func stolenStatement() async throws {
        try await withSSHNode { node in
            let thief = Self.thief
            let stolen = try node.statement(try node.body())
            let elsewhere = try #require(NodeID("node-2"))
            let otherNode = try node.statement(try node.body(thief, nodes: [.node(elsewhere)]))
            let database = try #require(NodeSelector("tag:db"))
            let otherTag = try node.statement(try node.body(thief, nodes: [database]))
            let otherUser = try node.statement(try node.body(thief, user: "daemon"))
            var asRoot = try node.draft(otherUser, key: thief)
            asRoot.principals = [SSHDFixture.user]
            var both = try node.draft(otherUser, key: thief)
            both.principals = ["daemon", SSHDFixture.user]
            try await expectNoLogin(
                node,
                [
                    ("another's statement", try node.draft(stolen, key: thief), thief),
                    ("a statement for another node", try node.draft(otherNode, key: thief), thief),
                    ("a statement for another tag", try node.draft(otherTag, key: thief), thief),
                    ("a statement for another account", asRoot, thief),
                    ("a statement for another account, with both accounts", both, thief),
                ]
            )
        }
    }

    @Test("a statement past its expiry, or longer-lived or later than any may be, lets nobody in")
    func replayedStatement() async throws {
        try await withSSHNode { node in
            let now = WallClock.now()
            let key = SSHNode.key
            let old = try node.statement(try node.body(), lifetime: 600, issued: now.adding(seconds: -900))
            let longLived = try node.statement(
                try node.body(),
                lifetime: 20 * 86400,
                issued: now.adding(seconds: -86400)
            )
            let future = try node.statement(try node.body(), issued: now.adding(seconds: 1800))
            let short = try node.statement(try node.body(), lifetime: 60)
            var outliving = try node.draft(short)
            outliving.validBefore = now.adding(seconds: 590)
            var stretched = try node.draft(try node.statement(try node.body(), lifetime: 86400))
            stretched.validBefore = now.adding(seconds: 7200)
            try await expectNoLogin(
                node,
                [
                    ("a replayed statement past its expiry", try node.draft(old), key),
                    ("a statement that lives too long", try node.draft(longLived), key),
                    ("a statement of the future", try node.draft(future), key),
                    ("a certificate that outlives its statement", outliving, key),
                    ("a certificate that lives longer than was asked for", stretched, key),
                ]
            )
        }
    }

    @Test("a forged, altered or borrowed signature lets nobody in")
    func forgedStatement() async throws {
        try await withSSHNode { node in
            let thief = Self.thief
            func sign(_ body: StatementBody, _ change: (inout SignedStatement) throws -> Void) throws -> SignedStatement
            {
                var signed = try node.statement(body)
                signed.signatures = []
                try change(&signed)
                return signed
            }
            let namespace = StatementType.sshCertificate.namespace
            let byThief = try sign(try node.body(thief)) { signed in
                signed.signatures = [try thief.sshSignature(of: signed.signedBytes, namespace: namespace)]
            }
            let byCA = try sign(try node.body(thief)) { signed in
                signed.signatures = [try Self.authority.sshSignature(of: signed.signedBytes, namespace: namespace)]
            }
            let ada = FleetSimulator.operatorKey("ada")
            let otherNamespace = try sign(try node.body(thief)) { signed in
                // What ada signed to log in to the service, or in git, is no statement.
                signed.signatures = [try ada.sshSignature(of: signed.signedBytes, namespace: "login@muster")]
            }
            let ofAnother = try sign(try node.body(thief)) { signed in
                signed.signatures = try node.statement(try node.body()).signatures
            }
            let unlisted = try node.statement(try node.body(thief), by: ["eve"])
            let otherFleet = try node.statement(
                try node.body(thief),
                fleet: FleetID(digest: [UInt8](repeating: 9, count: 32))
            )
            let alone = try node.statement(try node.body(thief), by: ["ben"])
            let twice = try sign(try node.body(thief)) { signed in
                let ben = try node.statement(try node.body(thief), by: ["ben"])
                signed = ben
                signed.signatures += ben.signatures
            }
            let names: [(String, SignedStatement)] = [
                ("signed by the thief", byThief), ("signed by the CA", byCA),
                ("ada's signature in another namespace", otherNamespace),
                ("ada's signature of another statement", ofAnother), ("signed by an unlisted operator", unlisted),
                ("for another fleet", otherFleet), ("without the approval that the rule wants", alone),
                ("approved by the requester", twice),
            ]
            try await expectNoLogin(
                node,
                try names.map { ($0.0, try node.draft($0.1, key: thief), thief) }
            )
        }
    }

    @Test("a statement of another type that ada really signed is no login")
    func typeConfusion() async throws {
        try await withSSHNode { node in
            let thief = Self.thief
            let tag = try node.statement(.tagNode(TagNodeBody(node: SSHNode.id, tags: [])))
            guard case .object(var members) = try node.statement(try node.body(thief)).signed else { return }
            members["_type"] = "tag-node"
            members["node"] = .string(SSHNode.id.text)
            members["tags"] = []
            let ada = FleetSimulator.operatorKey("ada")
            let bytes = JSONValue.object(members).canonicalBytes
            let signature = try ada.sshSignature(of: bytes, namespace: StatementType.tagNode.namespace)
            let envelope: JSONValue = [
                "signed": .object(members), "signatures": [.string(Base64.encode(signature))],
            ]
            var renamed = try node.draft(nil, key: thief)
            members["_type"] = "ssh-certificate"
            let disguised: JSONValue = [
                "signed": .object(members), "signatures": [.string(Base64.encode(signature))],
            ]
            renamed.statement = disguised.canonicalBytes
            var typed = try node.draft(nil, key: thief)
            typed.statement = envelope.canonicalBytes
            try await expectNoLogin(
                node,
                [
                    ("a tag-node statement", try node.draft(tag, key: thief), thief),
                    ("a tag-node statement with the members of a login", typed, thief),
                    ("a tag-node signature under a login", renamed, thief),
                ]
            )
        }
    }

    @Test("an honest statement in a certificate that says more than it lets nobody in")
    func embroideredCertificate() async throws {
        try await withSSHNode { node in
            let statement = try node.statement(try node.body())
            let key = SSHNode.key
            func draft(_ change: (inout CertificateDraft) -> Void) throws -> CertificateDraft {
                var draft = try node.draft(statement)
                change(&draft)
                return draft
            }
            try await expectNoLogin(
                node,
                [
                    ("a command of the thief's", try draft { $0.forceCommand = "echo welcome" }, key),
                    (
                        "forwarding that no rule grants", try draft { $0.permissions.append("permit-port-forwarding") },
                        key
                    ),
                    ("no source address", try draft { $0.sourceAddress = nil }, key),
                    ("another account besides", try draft { $0.principals.append("daemon") }, key),
                    (
                        "an extension of the thief's",
                        try draft { $0.permissions.append("thief@example.com") }, key
                    ),
                    ("a host certificate", try draft { $0.kind = .host }, key),
                ]
            )
        }
    }

    @Test("a certificate that sshd reads and we do not is refused: unsorted and doubled extensions, an empty nonce")
    func lenientEncodings() async throws {
        try await withSSHNode { node in
            let statement = try node.statement(try node.body())
            let honest = try node.draft(statement).signed(by: Self.authority)
            let cases: [(String, RawCertificate)] = [
                ("an empty nonce", RawCertificate(honest) { $0.nonce = [] }),
                ("unsorted extensions", RawCertificate(honest) { $0.extensions.reverse() }),
                (
                    "the statement twice",
                    RawCertificate(honest) { $0.extensions.append($0.extensions[$0.extensions.count - 1]) }
                ),
                ("no principals", RawCertificate(honest) { $0.principals = [] }),
                ("a comma in a principal", RawCertificate(honest) { $0.principals = ["\(SSHDFixture.user),daemon"] }),
            ]
            for (name, raw) in cases {
                let path = node.sshd.folder + "/raw-" + String(UInt64.random(in: .min ... .max), radix: 36)
                try AtomicFile.write(try SSHNode.key.privateKeyFile, to: path)
                let identity = try node.sshd.identity(path, line: raw.line(Self.authority))
                let outcome = try await node.sshd.ssh(identity)
                #expect(outcome.isDenied, "\(name): \(outcome)")
            }
            #expect(!node.sshd.log.contains("Accepted"))
            // The same bytes without a change do log in.
            let path = node.sshd.folder + "/raw"
            try AtomicFile.write(try SSHNode.key.privateKeyFile, to: path)
            let unchanged = try node.sshd.identity(path, line: RawCertificate(honest) { _ in }.line(Self.authority))
            #expect(try await node.sshd.ssh(unchanged).isLogin)
        }
    }

    @Test("a certificate by the host CA's key does not log in, though it carries an honest statement")
    func hostAuthority() async throws {
        try await withSSHNode { node in
            let statement = try node.statement(try node.body())
            let byHostCA = try node.draft(statement).signed(by: FleetSimulator.hostAuthority)
            #expect(try await node.logIn(byHostCA).isDenied)
            #expect(try await node.logIn(try node.certificate()).isLogin)
        }
    }
}

/// A certificate written without any of our checks.
struct RawCertificate {
    var nonce: [UInt8]
    var principals: [String]
    var extensions: [(name: String, data: [UInt8])]
    private let content: SSHCertificateContent

    init(_ honest: SSHCertificate, _ change: (inout RawCertificate) -> Void) {
        content = honest.content
        nonce = content.nonce
        principals = content.principals
        extensions = content.extensions.map { ($0.name, $0.data) }
        change(&self)
    }

    /// The line of its file, signed by the CA.
    func line(_ authority: TestKey) throws -> String {
        var writer = ByteWriter()
        writer.string(content.publicKey.kind.certificateName)
        writer.string(nonce)
        guard case .ed25519(let key) = content.publicKey.material else { throw FleetSimulator.Failure.impossible }
        writer.string(key)
        writer.uint64(content.serial)
        writer.uint32(content.kind.rawValue)
        writer.string(content.keyID)
        var names = ByteWriter()
        for principal in principals { names.string(principal) }
        writer.string(names.bytes)
        writer.uint64(content.validAfter)
        writer.uint64(content.validBefore)
        writer.string(Self.options(content.criticalOptions.map { ($0.name, $0.data) }))
        writer.string(Self.options(extensions))
        writer.string([UInt8]())
        writer.string(try authority.ssh.blob)
        var signature = ByteWriter()
        signature.string("ssh-ed25519")
        signature.string(authority.sign(writer.bytes))
        writer.string(signature.bytes)
        return content.publicKey.kind.certificateName + " " + Base64.encode(writer.bytes)
    }

    private static func options(_ options: [(name: String, data: [UInt8])]) -> [UInt8] {
        var writer = ByteWriter()
        for option in options {
            writer.string(option.name)
            writer.string(option.data)
        }
        return writer.bytes
    }
}
