// The node's SSH side: keeps sshd so that people get in by certificates of the fleet, and only if they asked for it.
//
// Parties: sshd (believed to do what its configuration says; asked by `sshd -T` what that is), the fleet service (brings
// certificates and the KRL, believed nothing that is not signed), operators (whose statement inside a certificate the
// principals command checks). Keys: which CAs count is `ssh/trust.json`, signed by the policy keys; the KRL is a target of the
// `revocations` role; host keys are sshd's own and never read here but for their public half.
// Files: see `SSHPaths`. Rotation: CAs come and go with `ssh/trust.json`; host certificates are renewed at two thirds.

import ByteCoding
import CanonicalJSON
import Glibc
import Logging
import MusterAPI
import MusterModel
import MusterSystem
import OpenSSHFormats

/// Looks after the node's sshd, for as long as the agent runs.
///
/// What goes wrong here stops nothing else: it is a problem in the report, and tried again at the next look.
public actor SSHUpkeep: SSHReporting {
    /// Milliseconds after which sshd is asked again how it is configured, though nothing seems to have changed.
    private static let proofLife: Int64 = 600_000

    let options: SSHOptions
    let paths: SSHPaths
    let program: SSHDProgram
    let setup: SSHDSetup
    let revocations: RevocationFile
    let enrollment: Enrollment
    let state: NodeState
    let source: FleetTrustSource
    let certificates: any HostCertificateSource
    let clock: AgentClock
    let logger: Logger
    private let logins: SSHLogins
    /// Our own file, as it was called at the start: once it was replaced, nobody can say.
    private let ownProgram = SSHDReload.realPath("/proc/self/exe")
    private let wakes: AsyncStream<Void>
    private nonisolated let bell: AsyncStream<Void>.Continuation

    var trusted: FleetTrust?
    var learned: FleetTrust?
    var authorities: SSHTrust?
    var certificateBackoff: Backoff
    var nextCertificate: Int64?
    private var shortfall: String?
    private var facts = SSHReport()
    private var isOn = false
    private var proved: Int64?
    private var proofOf: [[UInt8]] = []
    private var setupBackoff: Backoff
    private var setupFailure: (problem: String, retry: Int64)?

    /// The SSH side of an enrolled node.
    public init(
        paths: AgentPaths,
        options: SSHOptions,
        enrollment: Enrollment,
        state: NodeState,
        source: FleetTrustSource,
        certificates: any HostCertificateSource,
        clock: AgentClock,
        logger: Logger
    ) {
        let ssh = SSHPaths(paths)
        let program = SSHDProgram(options: options)
        self.options = options
        self.paths = ssh
        self.program = program
        self.enrollment = enrollment
        self.state = state
        self.source = source
        self.certificates = certificates
        self.clock = clock
        self.logger = logger
        setup = SSHDSetup(options: options, paths: ssh, logger: logger)
        revocations = RevocationFile(paths: ssh, fleet: enrollment.fleet, program: program)
        setupBackoff = Backoff(Backoff.Policy(first: 30000, longest: 600_000), seed: clock.random())
        certificateBackoff = Backoff(Backoff.Policy(first: 5000, longest: 600_000), seed: clock.random())
        let (wakes, bell) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        self.wakes = wakes
        self.bell = bell
        logins = SSHLogins(path: ssh.logins, clock: clock, logger: logger) { bell.yield() }
        authorities = (try? BoundedFile.read(ssh.trust, limit: SSHTrust.byteLimit)).flatMap {
            try? SSHTrust(parsing: $0)
        }
    }

    /// Takes what is trusted from now on.
    public func take(_ trust: FleetTrust) {
        trusted = trust
        bell.yield()
    }

    /// Has a look taken soon.
    public nonisolated func wake() {
        bell.yield()
    }

    /// Looks after sshd until the task is cancelled; `changed` is called when there is news to report.
    public func run(changed: @escaping @Sendable () async -> Void) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.keepLooking(changed) }
            group.addTask { await self.keepTime() }
            if let place = SSHLogins.Place(options) { group.addTask { await self.logins.follow(place) } }
        }
    }

    /// Looks once.
    public func once() async {
        await look()
    }

    /// How sshd is; nil where the fleet has no SSH side.
    public func report() async -> (report: SSHReport, through: Int64)? {
        guard isOn else { return nil }
        let (entries, through) = await logins.waiting()
        var report = facts
        report.logins = entries
        return (report, through)
    }

    /// The service has these logins.
    public func delivered(through number: Int64) async {
        await logins.delivered(through: number)
    }

    private func keepLooking(_ changed: @Sendable () async -> Void) async {
        var told: SSHReport?
        bell.yield()
        for await _ in wakes {
            await look()
            if Task.isCancelled { return }
            let current = await report()?.report
            if current != told, current != nil || told != nil { await changed() }
            told = await report()?.report
        }
    }

    private func keepTime() async {
        while !Task.isCancelled {
            try? await clock.sleep(.seconds(options.checkSeconds))
            bell.yield()
        }
        bell.finish()
    }

    // MARK: - One look

    private func look() async {
        var problems: [String] = []
        await learn(&problems)
        guard let authorities else {
            if isOn || Directory.exists(paths.folder) { await leave(&problems) }
            return
        }
        isOn = true
        await logins.know(authorities.userAuthorities.map(\.publicKey.fingerprint))
        var report = SSHReport()
        if program.exists {
            report = await tend(authorities, &problems)
        } else {
            problems.append("there is no sshd at \(options.program)")
        }
        report.problem = problems.reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }
            .joined(separator: "; ").bounded(2048)
        if report.problem != facts.problem {
            if report.problem.isEmpty {
                logger.notice("sshd is as it should be")
            } else {
                logger.warning("sshd is not as it should be", metadata: ["problem": "\(report.problem)"])
            }
        }
        facts = report
    }

    /// The fleet has no SSH side any more: sshd is left as it was before.
    private func leave(_ problems: inout [String]) async {
        do throws(SSHDSetup.Problem) {
            if program.exists { try await setup.withdraw() }
            for path in [paths.login, paths.userAuthorities, paths.revocationsOrigin, paths.revocationsCopy] {
                unlink(path)
            }
            isOn = false
            facts = SSHReport()
        } catch {
            logger.warning("sshd cannot be left as it was", metadata: ["reason": "\(error.message)"])
            facts.problem = error.message.bounded(2048)
        }
    }

    /// Brings files and configuration to where they should be, and finds out where they are.
    private func tend(_ authorities: SSHTrust, _ problems: inout [String]) async -> SSHReport {
        await prepareFiles(authorities, &problems)
        var report = facts
        do throws(SystemError) {
            var isProved = false
            if isProofDue {
                report = try await prove(authorities)
                isProved = true
            }
            if try await renewHostCertificates(authorities, &problems) || !isProved && proofOf != watched() {
                report = try await prove(authorities)
            }
            problems += [setupFailure?.problem, shortfall].compactMap { $0 }
        } catch {
            problems.append("\(error)")
        }
        return report
    }

    /// Applies the configuration and asks sshd what it makes of it.
    private func prove(_ authorities: SSHTrust) async throws(SystemError) -> SSHReport {
        let before = try await program.effective()
        let keys = await HostKey.all(before, paths, program)
        let shown = keys.filter { showable($0, authorities) != nil }
        let part = SSHDDropIn(
            userAuthorities: paths.userAuthorities,
            revocations: paths.revocations,
            principalsProgram: options.principalsProgram ?? ownProgram ?? "muster-agent",
            principalsUser: options.principalsUser,
            login: paths.login,
            hostCertificates: shown.map(\.certificatePath)
        )
        let effective: SSHDEffective
        do throws(SSHDSetup.Problem) {
            effective = try await setup.apply(part, shown: shown.compactMap { $0.certificate?.blob })
            shortfall = effective.shortfall(part, dropIn: options.dropInPath, configuration: options.configuration)
            setupFailure = nil
            setupBackoff.reset()
        } catch {
            effective = try await program.effective()
            shortfall = nil
            let wait = setupBackoff.next() ?? .seconds(600)
            setupFailure = (error.message, clock.monotonic() + wait.components.seconds * 1000)
        }
        proved = clock.monotonic()
        proofOf = watched()
        var report = SSHProof(effective: effective, paths: paths).report(keys, version: await program.version())
        // What no running sshd was made to read proves nothing.
        if SSHDSetupRecord.load(paths.setup).loaded.isEmpty { report.userAuthorities = [] }
        return report
    }

    /// Whether sshd has to be asked: something changed, a failure may be over, or it is long ago.
    private var isProofDue: Bool {
        if let setupFailure, clock.monotonic() >= setupFailure.retry { return true }
        guard let proved, clock.monotonic() - proved < Self.proofLife else { return true }
        return proofOf != watched()
    }

    /// Everything whose change makes a new proof necessary, as it is on the disk.
    private func watched() -> [[UInt8]] {
        [options.configuration, options.dropInPath, paths.userAuthorities, paths.revocations].map {
            (try? BoundedFile.read($0, limit: SSHRevocationList.byteLimit)) ?? []
        }
    }
}
