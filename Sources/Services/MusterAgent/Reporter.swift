import ByteCoding
import MusterAPI
import MusterModel
import MusterSystem
import PackageInstaller

/// Makes reports of the node as it is and sends them.
public struct Reporter: Reporting {
    private let state: NodeState
    private let sources: PackageSources
    private let service: any FleetService
    private let releases: ReleaseNames
    private let configuration: AgentConfiguration
    private let pace: ReportPace
    private let keeper: KeyKeeper?
    private let ssh: (any SSHReporting)?
    private let metrics: NodeMetrics?

    /// A reporter of the node with that state.
    public init(
        state: NodeState,
        sources: PackageSources,
        service: any FleetService,
        releases: ReleaseNames,
        configuration: AgentConfiguration,
        pace: ReportPace,
        keeper: KeyKeeper? = nil,
        ssh: (any SSHReporting)? = nil,
        metrics: NodeMetrics? = nil
    ) {
        self.state = state
        self.sources = sources
        self.service = service
        self.releases = releases
        self.configuration = configuration
        self.pace = pace
        self.keeper = keeper
        self.ssh = ssh
        self.metrics = metrics
    }

    /// Sends a report; nil when the service has it.
    public func report(within seconds: Int64) async -> String? {
        var report = await current()
        let sshd = await ssh?.report()
        report.ssh = sshd?.report
        let whole = report
        let service = service
        return await withTaskGroup(of: String?.self) { group in
            group.addTask {
                do throws(FleetServiceError) {
                    let reply = try await service.report(whole)
                    await pace.set(reply.nextSeconds)
                    await keeper?.take(reply)
                    if let sshd { await ssh?.delivered(through: sshd.through) }
                    return nil
                } catch {
                    if error.isRemoval { await keeper?.take(removal: error.message) }
                    return error.message
                }
            }
            group.addTask {
                try? await Task.sleep(for: .seconds(seconds))
                return "the service did not answer within \(seconds) seconds"
            }
            let first = await group.next() ?? nil
            group.cancelAll()
            return first
        }
    }

    /// How the node is now.
    public func current() async -> NodeReport {
        let facts = HostFacts.read()
        let memory = await state.memory
        let journal = await state.journal
        var managed = memory.installed.mapValues(\.format.rawValue)
        managed.merge(await releases.formats) { _, released in released }
        if let journal { managed[journal.release.package] = journal.release.format }
        let versions = await sources.versions(of: managed)
        var progress = memory.progress
        if let journal {
            let entry = journal.progress(version: versions[journal.release.package] ?? "", note: await state.note)
            progress.removeAll { $0.rollout == entry.rollout }
            progress.append(entry)
        }
        for hold in await held(memory) {
            progress.removeAll { $0.rollout == hold.rollout }
            progress.append(hold.progress(version: versions[hold.package] ?? ""))
        }
        let trusted = await state.trusted
        let troubles = [memory.keyTrouble ?? "", await state.hold].filter { !$0.isEmpty }
        var report = NodeReport(
            agentVersion: MusterVersion.text,
            osRelease: facts.osRelease,
            kernel: facts.kernel,
            architecture: (try? await sources.architecture()) ?? facts.machine,
            bootID: facts.bootID,
            uptimeSeconds: facts.uptimeSeconds,
            packages: versions,
            listeners: listeners(),
            progress: progress,
            timestampVersion: trusted.timestamp,
            policyVersion: trusted.policy,
            sequence: memory.sequence,
            hold: troubles.joined(separator: "; ").bounded(2048)
        )
        report.metrics = await metrics?.values ?? [:]
        report.rebootNeeded = RebootNeed(root: configuration.root, kernel: facts.kernel).reason()
        report.reachesOthers = configuration.reachesOthers
        report.localPins = configuration.pins
        return report
    }

    /// Assignments that wait for their hour, oldest first; one that the newest manifest does not carry is forgotten.
    private func held(_ memory: NodeMemory) async -> [UpgradeHold] {
        let held = await state.held
        return memory.queue.compactMap { held[$0.rollout] }
    }

    private func listeners() -> [NodeReport.Listener] {
        guard configuration.reportsListeners else { return [] }
        return ListeningSocket.all().prefix(1024).map {
            NodeReport.Listener(transport: "tcp", address: $0.address, port: Int($0.port))
        }
    }
}

/// The names of all packages of which there are trusted releases: those are the managed ones.
public actor ReleaseNames {
    /// The format of each package by its name, at most 4000.
    public private(set) var formats: [String: String] = [:]

    /// None yet.
    public init() {}

    /// Takes the releases as they are trusted now.
    public func set(_ releases: some Sequence<ReleaseDescription>) {
        formats.removeAll(keepingCapacity: true)
        for release in releases where formats.count < 4000 || formats[release.package] != nil {
            formats[release.package] = release.format
        }
    }
}

/// When the service would like the next report.
public actor ReportPace {
    /// Seconds until then.
    public private(set) var seconds: Int

    /// The node's own pace.
    public init(seconds: Int) {
        self.seconds = seconds
    }

    /// Takes the service's wish, within reason.
    func set(_ seconds: Int) {
        self.seconds = min(max(seconds, 1), 3600)
    }
}
