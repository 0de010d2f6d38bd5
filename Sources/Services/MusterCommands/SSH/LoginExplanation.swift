import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterModel
import MusterPolicy
import OpenSSHFormats

/// Whether a login would work, and what is missing: the policy's decision, and the state of the things it goes through.
struct LoginExplanation: Sendable {
    let title: String
    let decision: PolicyDecision
    /// What the login would have; nil where no rule grants it.
    let grant: LoginGrant?
    /// What stands against it, besides the policy.
    let missing: [String]
    /// What is worth knowing, and stands against nothing.
    let remarks: [String]

    init(
        login: PolicyLogin,
        requester: OperatorName,
        node: NodeRecord,
        policy: FleetPolicy,
        trust: SSHTrust?,
        revocations: SSHRevocationsRecord?,
        time: UTCTime
    ) throws {
        title = "\(requester) as \(login.account) on \(node.name)"
        let facts = NodeFacts(id: node.id, tags: Set(node.tags))
        let request = PolicyRequest(
            action: .sshCertificate,
            requester: requester,
            signers: [requester],
            node: facts,
            login: login
        )
        decision = policy.decide(request, time: time)
        grant = policy.loginGrants(request, time: time).first
        var missing: [String] = []
        var remarks: [String] = []
        Self.look(at: requester, policy, time, &missing)
        Self.look(at: trust, node, time, &missing)
        Self.look(at: node, revocations, &missing, &remarks)
        self.missing = missing
        self.remarks = remarks
    }

    /// Whether it would work now.
    var works: Bool { decision.isAllowed && grant != nil && missing.isEmpty }

    // MARK: - Looking

    private static func look(at name: OperatorName, _ policy: FleetPolicy, _ time: UTCTime, _ missing: inout [String]) {
        guard let person = policy.operators[name] else { return }
        let obstacles = person.keys.map { policy.obstacle(to: $0, of: name, at: time) }
        if obstacles.allSatisfy({ $0 != nil }) {
            missing.append(obstacles.compactMap(\.self).first ?? "\(name) has no key in the policy")
        }
    }

    private static func look(at trust: SSHTrust?, _ node: NodeRecord, _ time: UTCTime, _ missing: inout [String]) {
        guard let trust else {
            missing.append("the fleet has no SSH certificates: turn them on with 'muster ssh enable'")
            return
        }
        guard let authority = trust.signingUserAuthority else { return }
        if authority.expires <= time {
            missing.append("the user CA expired at \(authority.expires): muster ssh rotate user")
        }
        if let ssh = node.report?.ssh, !ssh.userAuthorities.contains(authority.publicKey.fingerprint) {
            missing.append("its sshd is not proved to trust the user CA \(authority.publicKey.fingerprint)")
        }
    }

    private static func look(
        at node: NodeRecord,
        _ revocations: SSHRevocationsRecord?,
        _ missing: inout [String],
        _ remarks: inout [String]
    ) {
        if node.state == "offline" || node.state == "new" { missing.append("the node is \(node.state)") }
        guard let report = node.report else {
            missing.append("the node has not reported yet, so nothing is known of its sshd")
            return
        }
        guard let ssh = report.ssh else {
            missing.append("the node's agent does not look after an sshd")
            return
        }
        if !ssh.problem.isEmpty { missing.append("its sshd: \(ssh.problem)") }
        if ssh.hostCertificates.isEmpty {
            missing.append("its sshd shows no host certificate, so no client believes it")
        }
        if let wanted = revocations?.version, wanted > ssh.krlVersion ?? 0 {
            remarks.append("it has version \(ssh.krlVersion ?? 0) of the revocations, the newest is \(wanted)")
        }
        if !ssh.sshdVersion.isEmpty { remarks.append("sshd is \(ssh.sshdVersion)") }
    }

    // MARK: - Showing

    var lines: [StyledText] {
        var lines = [
            StyledText(title + ": ", .bold) + (works ? StyledText("yes", .good) : StyledText("no", .loud)),
            StyledText("  policy: \(decision)", decision.isAllowed ? .plain : .warning),
        ]
        if let grant {
            lines.append(StyledText("  for at most \(Moments.span(Int(grant.maximumSeconds)))"))
            lines.append(
                StyledText(
                    "  with \(grant.extensions.isEmpty ? "nothing besides" : grant.extensions.joined(separator: ", "))"
                )
            )
            if let command = grant.forceCommand { lines.append(StyledText("  runs only: \(command)")) }
        }
        lines += missing.map { StyledText("  missing: \($0)", .warning) }
        lines += remarks.map { StyledText("  \($0)", .faint) }
        return lines
    }

    var json: JSONValue {
        var object: JSONObject = [
            "works": .bool(works), "allowed": .bool(decision.isAllowed), "decision": .string(decision.description),
            "missing": .array(missing.map { .string($0) }), "remarks": .array(remarks.map { .string($0) }),
        ]
        if case .allowed(let rule, _) = decision { object["rule"] = .string(rule) }
        if case .needsApprovals(let shortage) = decision {
            object["rule"] = .string(shortage.rule)
            object["approvals"] = [
                "need": JSONValue(shortage.need), "have": JSONValue(shortage.have), "from": JSONValue(shortage.from),
            ]
        }
        if let grant {
            object["seconds"] = .integer(grant.maximumSeconds)
            object["extensions"] = .array(grant.extensions.map { .string($0) })
            if let command = grant.forceCommand { object["force_command"] = .string(command) }
        }
        return .object(object)
    }
}
