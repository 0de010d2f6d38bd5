import ByteCoding
import Logging
import MusterModel
import MusterPolicy
import MusterTrust
import TUF
import TUFTrust

/// Decides what this node may do, by its own look at the repository and at every signature.
public actor NodeTrust: FleetAuthority {
    /// How old trust may be for an assignment that follows its manifest at once, in milliseconds.
    private static let freshness: Int64 = 5000
    /// How old trust may become while there is nothing to do, in milliseconds.
    private static let idleFreshness: Int64 = 900_000
    /// Least milliseconds between two looks that the service asks for.
    private static let pause: Int64 = 1000

    private let source: FleetTrustSource
    private let fleet: FleetID
    private let node: NodeID
    private let architecture: String
    private let releases: ReleaseNames
    private let observer: @Sendable (FleetTrust) async -> Void
    private let clock: AgentClock
    private let logger: Logger
    private var trust: FleetTrust?
    private var established: Int64 = .min
    private var lastLook: Task<Result<FleetTrust, TrustProblem>, Never>?
    /// When the last look began, whatever came of it; nil before the first.
    private var looked: Int64?

    /// The trust of one node; `observer` learns of everything that becomes trusted.
    public init(
        source: FleetTrustSource,
        fleet: FleetID,
        node: NodeID,
        architecture: String,
        releases: ReleaseNames,
        clock: AgentClock,
        logger: Logger,
        observer: @escaping @Sendable (FleetTrust) async -> Void = { _ in }
    ) {
        self.source = source
        self.fleet = fleet
        self.node = node
        self.architecture = architecture
        self.releases = releases
        self.clock = clock
        self.logger = logger
        self.observer = observer
    }

    /// Brings everything up to date; one look at the repository at a time, since they share its files.
    public func refresh() async throws(TrustProblem) -> FleetTrust {
        let before = lastLook
        let look = Task { () async -> Result<FleetTrust, TrustProblem> in
            _ = await before?.value
            do throws(TrustProblem) {
                return .success(try await refreshNow())
            } catch {
                return .failure(error)
            }
        }
        lastLook = look
        return try await withTaskCancellationHandler {
            await look.value
        } onCancel: {
            look.cancel()
        }.get()
    }

    private func refreshNow() async throws(TrustProblem) -> FleetTrust {
        looked = clock.monotonic()
        var current = try await source.refresh(at: clock.now(), previous: trust)
        await releases.set(try await source.releases(in: &current).map(\.release))
        trust = current
        established = clock.monotonic()
        await observer(current)
        return current
    }

    /// Judges a manifest and its tag statements.
    public func judge(manifest envelope: [UInt8], memory: NodeMemory) async -> ManifestVerdict {
        let current: FleetTrust
        do throws(TrustProblem) {
            current = try await refresh()
        } catch {
            return .unavailable(error.message)
        }
        let keys = current.manifestKeys
        do throws(TrustRefusal) {
            let manifest = try ManifestVerifier.verify(
                envelope,
                trusted: current.metadata,
                fleet: fleet,
                node: node,
                lastSequence: memory.sequence(under: keys),
                time: current.time
            )
            let tags = tags(manifest.tags, memory, current)
            return .accepted(manifest, tags: tags.tags, tagsIssued: tags.issued, keys: keys ?? [])
        } catch {
            return .refused(error.message)
        }
    }

    /// The ids of the keys that sign manifests, by the last look.
    public func manifestKeys() async -> [String]? { trust?.manifestKeys }

    /// Judges an assignment by what is trusted now.
    public func judge(_ assignment: UpdateManifest.Assignment, memory: NodeMemory) async -> AssignmentVerdict {
        do throws(TrustProblem) {
            var current = try await recent()
            let trusted = try await source.targetFile(assignment.target, in: &current)
            let package = assignment.statement.statement.body.packageChange?.package ?? ""
            return verdict(assignment, trusted, memory.installed[package], memory.tags, current)
        } catch {
            return .unavailable(error.message)
        }
    }

    /// Judges a run by what is trusted now.
    public func judge(_ run: UpdateManifest.Run, memory: NodeMemory) async -> RunJudgement {
        let current: FleetTrust
        do throws(TrustProblem) {
            current = try await recent()
        } catch {
            return .unavailable(error.message)
        }
        let verdict = RunVerifier.verify(
            run,
            node: NodeFacts(id: node, tags: memory.tags),
            usedIDs: [],
            policy: current.policy,
            fleet: fleet,
            time: clock.now()
        )
        return switch verdict {
        case .allowed(let verified): .allowed(verified)
        case .notYet(let time): .notYet(time)
        case .refused(let refusal): .refused("\(refusal.code.rawValue): \(refusal.message)")
        }
    }

    /// Looks at a run by what is trusted now.
    public func screen(_ run: UpdateManifest.Run) async -> RunScreening {
        let current: FleetTrust
        do throws(TrustProblem) {
            current = try await recent()
        } catch {
            return .unavailable(error.message)
        }
        do throws(TrustRefusal) {
            try RunVerifier.screen(run, node: node, policy: current.policy, fleet: fleet, time: clock.now())
            return .fit
        } catch {
            return .refused("\(error.code.rawValue): \(error.message)")
        }
    }

    /// Looks through the trusted releases.
    public func release(of package: String, version: String) async -> ReleaseSearch {
        do throws(TrustProblem) {
            var current = try await recent()
            let fitting = try await source.releases(in: &current).first { entry in
                entry.release.package == package && entry.release.version == version
                    && ["all", architecture].contains(entry.release.architecture)
            }
            guard let fitting, let file = try await source.targetFile(fitting.file.path, in: &current),
                file == fitting.file, let sha256 = file.hashes.sha256
            else { return .none }
            let target = UpgradeBody.Target(path: file.path, length: file.length, sha256: sha256)
            return .found(InstalledRelease(target: target, version: version, counter: fitting.release.counter))
        } catch {
            return .unavailable(error.message)
        }
    }

    /// Looks at the repository at the start and every quarter of an hour.
    public func keepFresh() async {
        if trust != nil, clock.monotonic() - established < Self.idleFreshness { return }
        await look()
    }

    /// Looks at the repository, a second after the last look at the earliest.
    ///
    /// A look that failed counts too: the service may end every question at once.
    public func lookAgain() async {
        if let looked {
            let left = looked + Self.pause - clock.monotonic()
            if left > 0 { try? await clock.sleep(.milliseconds(left)) }
        }
        await look()
    }

    private func look() async {
        do throws(TrustProblem) {
            _ = try await refresh()
        } catch {
            logger.debug("trust is not fresh", metadata: ["reason": "\(error)"])
        }
    }

    private func recent() async throws(TrustProblem) -> FleetTrust {
        if let trust, clock.monotonic() - established < Self.freshness { return trust }
        return try await refresh()
    }

    private func verdict(
        _ assignment: UpdateManifest.Assignment,
        _ trusted: TargetFile?,
        _ installed: InstalledRelease?,
        _ tags: Set<Tag>,
        _ current: FleetTrust
    ) -> AssignmentVerdict {
        do throws(TrustRefusal) {
            let verified = try AssignmentVerifier.verify(
                assignment,
                trusted: trusted,
                node: AssignmentVerifier.Node(
                    facts: NodeFacts(id: node, tags: tags),
                    architecture: architecture,
                    installedCounter: installed?.counter,
                    usedIDs: []
                ),
                policy: current.policy,
                fleet: fleet,
                time: clock.now()
            )
            return .allowed(verified.release, verified.target)
        } catch {
            return error.opens.map { .closed(error.message, until: $0) } ?? .refused(error.message)
        }
    }

    /// The node's tags after those of the statements that are valid and newer; an invalid one changes nothing.
    private func tags(_ statements: [SignedStatement], _ memory: NodeMemory, _ current: FleetTrust) -> TagVerifier.Tags
    {
        var tags = TagVerifier.Tags(tags: memory.tags, issued: memory.tagsIssued)
        for statement in statements {
            do throws(TrustRefusal) {
                tags = try TagVerifier.verify(
                    statement,
                    node: node,
                    current: tags,
                    policy: current.policy,
                    fleet: fleet,
                    time: current.time
                )
                logger.notice("tags changed", metadata: ["tags": "\(tags.tags.sorted())"])
            } catch {
                guard error.code != .replayed else { continue }
                logger.warning("tag statement refused", metadata: ["reason": "\(error)"])
            }
        }
        return tags
    }
}
