import ByteCoding
import CanonicalJSON
import MusterModel
import OpenSSHFormats
import SignatureVerification
import TUF

extension FleetSimulator {
    /// The key of a named operator.
    public static func operatorKey(_ name: String) -> TestKey { TestKey("operator-" + name) }

    /// `ada` may do everything; `ben` too, with one approval; `eve` is in no policy.
    ///
    /// Logins: `ada` as anybody for half a day; `ben` as `deploy` on `tag:web` for an hour, with one approval; `cat` as
    /// `backup`, who runs one command only.
    public static func defaultPolicy(time: UTCTime) throws -> JSONValue {
        func entry(_ name: String) throws -> JSONValue {
            [
                "keys": [
                    [
                        "public_key": .string(try operatorKey(name).ssh.line),
                        "expires": JSONValue(time.adding(seconds: 180 * 86400)),
                    ]
                ]
            ]
        }
        return [
            "_type": "policy", "version": 1, "issued": JSONValue(time),
            "expires": JSONValue(time.adding(seconds: 365 * 86400)),
            "operators": ["ada": try entry("ada"), "ben": try entry("ben"), "cat": try entry("cat")],
            "groups": ["leads": ["ada", "cat"]],
            "rules": [
                [
                    "name": "owner",
                    "allow": [
                        "enroll", "tag-node", "extend-node", "exempt-node", "remove-node", "upgrade", "roll-back",
                    ],
                    "who": ["ada"], "nodes": ["*"], "tags": ["*"],
                ],
                [
                    "name": "web-with-approval", "allow": ["upgrade", "roll-back"], "who": ["ben"],
                    "nodes": ["tag:web"], "approvals": ["count": 1, "from": ["group:leads"]],
                ],
                [
                    "name": "owner-logs-in", "allow": ["ssh-certificate", "revoke"], "who": ["ada"], "nodes": ["*"],
                    "users": ["*"], "max_seconds": 43200, "extensions": ["permit-pty", "permit-port-forwarding"],
                ],
                [
                    "name": "ben-logs-in-with-approval", "allow": ["ssh-certificate"], "who": ["ben"],
                    "nodes": ["tag:web"], "users": ["deploy"], "max_seconds": 3600,
                    "approvals": ["count": 1, "from": ["group:leads"]],
                ],
                [
                    "name": "cat-backs-up", "allow": ["ssh-certificate"], "who": ["cat"], "nodes": ["*"],
                    "users": ["backup"], "extensions": [], "force_command": "/usr/bin/backup",
                ],
            ],
        ]
    }

    /// A statement with the valid signatures of the named operators, the requester's first.
    public func statement(
        _ body: StatementBody,
        by signers: [String] = ["ada"],
        seed: String = "1",
        lifetime: Int64 = 86400,
        fleet other: FleetID? = nil,
        issued: UTCTime? = nil
    ) throws -> SignedStatement {
        guard let id = StatementID(random: Array(Digest.sha256(Array(seed.utf8)).prefix(16))),
            let requester = OperatorName(signers.first ?? "")
        else { throw Failure.impossible }
        let issued = issued ?? time
        let statement = Statement(
            fleet: other ?? fleet,
            id: id,
            requester: requester,
            issued: issued,
            expires: issued.adding(seconds: lifetime),
            body: body
        )
        var signed = SignedStatement(statement)
        for name in signers {
            signed.signatures.append(
                try Self.operatorKey(name).sshSignature(of: signed.signedBytes, namespace: statement.type.namespace)
            )
        }
        return signed
    }

    /// What an `ssh-certificate` for the key of that name asks for.
    public func login(
        _ user: String = "deploy",
        key: String = "ephemeral",
        nodes: [NodeSelector] = [.every],
        seconds: Int64 = 3600,
        command: String? = nil
    ) throws -> StatementBody {
        guard let account = AccountName(user) else { throw Failure.impossible }
        return .sshCertificate(
            SSHCertificateBody(
                publicKey: try TestKey(key).ssh,
                user: account,
                nodes: nodes,
                seconds: seconds,
                command: command
            )
        )
    }

    /// What an `upgrade` to the release at `path` asks for.
    public func upgrade(
        to path: String,
        nodes: [NodeSelector] = [.every],
        strategy: RolloutStrategy = RolloutStrategy()
    ) throws -> UpgradeBody {
        guard let bytes = packages[path], let description = descriptions[path] else { throw Failure.impossible }
        return UpgradeBody(
            package: description.package,
            version: description.version,
            targets: [
                UpgradeBody.Target(path: path, length: Int64(bytes.count), sha256: Digest.sha256(bytes))
            ],
            nodes: nodes,
            strategy: strategy
        )
    }

    /// A manifest's envelope, signed by the service's manifest key unless another is given.
    public func manifest(
        for node: NodeID,
        sequence: Int64,
        _ assignments: [UpdateManifest.Assignment],
        tags: [SignedStatement] = [],
        reach: [ReachTask] = [],
        signedBy key: TestKey? = nil,
        lifetime: Int64 = UpdateManifest.lifetime
    ) throws -> [UInt8] {
        let manifest = UpdateManifest(
            fleet: fleet,
            node: node,
            sequence: sequence,
            issued: time,
            expires: time.adding(seconds: lifetime),
            timestampVersion: timestampVersion,
            assignments: assignments,
            tags: tags,
            reach: reach
        )
        return try sign(manifest.json, [key ?? manifestKey]).bytes
    }

    /// The assignment of a release by a statement.
    public func assignment(_ path: String, _ statement: SignedStatement) -> UpdateManifest.Assignment {
        UpdateManifest.Assignment(rollout: statement.statement.id, target: path, statement: statement)
    }
}
