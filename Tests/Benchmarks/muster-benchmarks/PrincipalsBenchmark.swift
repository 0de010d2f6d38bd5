import ByteCoding
import CanonicalJSON
import Glibc
import MusterModel
import MusterTestSupport
import OpenSSHFormats

/// What sshd waits for at each login by certificate: one run of `muster-agent ssh-principals`, from its start to its end.
///
/// The policy has 100 operators and 100 rules, of which the last one fits; the beside figure is `/bin/true`, which costs what
/// starting any program costs.
struct PrincipalsBenchmark {
    let folder: String
    let binaries: String

    private static let goal = "at most 20 ms, wall clock"
    private static let runs = 41

    func figure() throws -> Figure {
        let program = ["/muster-agent-static", "/muster-agent"].map { binaries + $0 }
            .first { access($0, X_OK) == 0 }
        guard let program else {
            return Figure(
                name: "ssh-principals",
                value: nil,
                unit: "ms",
                goal: Self.goal,
                met: nil,
                note: "\(binaries)/muster-agent-static is missing: packaging/bench builds it"
            )
        }
        let certificate = Base64.encode(try prepare().blob)
        let answer = folder + "/answer"
        _ = try Child.run(
            [program, "ssh-principals", "--login", folder + "/login.json", "root", certificate],
            output: answer
        )
        guard try Child.read(answer) == "root\n" else { throw Child.Failure.timeout("an allowed login") }
        let decision = try measure([program, "ssh-principals", "--login", folder + "/login.json", "root", certificate])
        let nothing = try measure(["/bin/true"])
        return Figure(
            name: "ssh-principals",
            value: decision.wall,
            unit: "ms",
            reference: "/bin/true",
            referenceValue: nothing.wall,
            goal: Self.goal,
            met: decision.wall <= 20,
            note: "CPU \(Self.tenths(decision.cpu)) ms, peak \(decision.peakKiB / 1024) MiB; sshd asks twice a login"
        )
    }

    /// Medians of several runs.
    private func measure(_ command: [String]) throws -> (wall: Double, cpu: Double, peakKiB: Int) {
        var walls: [Double] = []
        var times: [Double] = []
        var peak = 0
        for _ in 0..<Self.runs {
            let start = ContinuousClock.now
            let usage = try Child.run(command)
            let wall = ContinuousClock.now - start
            walls.append(Double(wall.components.seconds) * 1e3 + Double(wall.components.attoseconds) / 1e15)
            times.append(usage.cpu * 1e3)
            peak = max(peak, usage.peakKiB)
        }
        return (walls.sorted()[Self.runs / 2], times.sorted()[Self.runs / 2], peak)
    }

    /// Writes what the agent would have written, and makes a certificate that it allows.
    private func prepare() throws -> SSHCertificate {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        let time = UTCTime(seconds: Int64(now.tv_sec))
        var fleet = try FleetSimulator(time: time)
        guard let node = NodeID("bench"), let user = AccountName("root") else {
            throw FleetSimulator.Failure.impossible
        }
        try addPeople(&fleet)
        let key = TestKey("ephemeral")
        let body = SSHCertificateBody(publicKey: try key.ssh, user: user, nodes: [.node(node)], seconds: 600)
        let statement = try fleet.statement(.sshCertificate(body), lifetime: 3600, issued: time.adding(seconds: -5))
        var draft = CertificateDraft(try key.ssh, principals: ["root"], time: time)
        draft.statement = statement.json.canonicalBytes
        let file: JSONValue = [
            "fleet": JSONValue(fleet.fleet), "node": JSONValue(node), "tags": ["web"], "policy": fleet.policyDocument,
            "expires": JSONValue(time.adding(seconds: 86400)), "time": JSONValue(time),
            "user_ca": [
                [
                    "public_key": .string(try FleetSimulator.userAuthority.ssh.line),
                    "expires": JSONValue(time.adding(seconds: 86400)),
                ]
            ],
        ]
        try BenchFleet.write(String(decoding: file.jsonBytes, as: UTF8.self), folder + "/login.json")
        return try draft.signed(by: FleetSimulator.userAuthority)
    }

    private func addPeople(_ fleet: inout FleetSimulator) throws {
        guard case .object(var policy) = fleet.policyDocument, case .object(var people)? = policy["operators"] else {
            throw FleetSimulator.Failure.impossible
        }
        for number in 0..<97 {
            people["person-\(number)"] = [
                "keys": [
                    [
                        "public_key": .string(try TestKey("person-\(number)").ssh.line),
                        "expires": JSONValue(fleet.time.adding(seconds: 86400)),
                    ]
                ]
            ]
        }
        policy["operators"] = .object(people)
        policy["rules"] = []
        fleet.policyDocument = .object(policy)
        for number in 0..<99 {
            try fleet.allow([
                "name": .string("rule \(number)"), "allow": ["ssh-certificate"],
                "who": [.string("person-\(number % 97)")],
                "nodes": ["tag:web"], "users": ["deploy"],
            ])
        }
        try fleet.allow([
            "name": "rule 99", "allow": ["ssh-certificate"], "who": ["ada"], "nodes": ["tag:web"], "users": ["root"],
        ])
    }

    private static func tenths(_ value: Double) -> String { String((value * 10).rounded() / 10) }
}
