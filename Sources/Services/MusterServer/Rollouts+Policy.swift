import ByteCoding
import MusterAPI
import MusterModel
import MusterPolicy
import MusterRollout
import MusterStore

/// What the policy and the register tell the engine: hours, limits of the whole fleet, urgency, obstacles, silence.
extension Rollouts {
    /// How often silence is looked for, in seconds.
    private static let listeningPace: Int64 = 30
    /// Least seconds without a word after which something must be wrong with a node that was just changed: time for a slow
    /// boot.
    private static let leastSilence: Int64 = 900

    // MARK: - Facts

    /// What the engine should know of a node of a rollout, and its hours before that where they are new.
    ///
    /// Empty where the rollout is not for the node, or policy forbids it there. Only behind the turnstile, so that no other
    /// policy comes between this and its being applied.
    func selection(_ rollout: inout LiveRollout, _ entry: NodeRegister.Entry, at time: UTCTime) -> [RolloutEvent] {
        guard let body = rollout.body, let publication = repository.current else { return [] }
        let selection = RolloutSelection(rollout.statement.statement, body, publication.releases)
        guard selection.target(entry) != nil else { return [] }
        let policy = policy(rollout)
        guard isMeant(rollout, policy, entry, at: time) else { return [] }
        let known = rollout.hours
        let fact = fact(of: entry, &rollout, policy, selection, at: time)
        guard let name = fact.hours, known[name] == nil, let found = rollout.hours[name] else {
            return [.nodesSelected([fact])]
        }
        return [.slots([name: found.slot(at: time)]), .nodesSelected([fact])]
    }

    /// Whether policy lets the rollout take the node in, or the node is in it already.
    private func isMeant(
        _ rollout: LiveRollout,
        _ policy: RolloutPolicy?,
        _ entry: NodeRegister.Entry,
        at time: UTCTime
    ) -> Bool {
        guard let policy else { return rollout.engine.node(entry.node.id) != nil }
        switch policy.policy.decide(policy.request(entry.facts), time: time, hours: .ignored) {
        case .allowed: return true
        case .needsApprovals: return !rollout.engine.isApproved
        case .refused: return rollout.engine.node(entry.node.id) != nil
        }
    }

    /// A node's fact; the rollout remembers its hours.
    func fact(
        of entry: NodeRegister.Entry,
        _ rollout: inout LiveRollout,
        _ policy: RolloutPolicy?,
        _ selection: RolloutSelection,
        mayBeChanging: Bool = false,
        at time: UTCTime
    ) -> NodeFact {
        let named = policy?.hours(of: entry.facts)
        if let named { rollout.hours[named.name] = named }
        return selection.fact(entry, mayBeChanging: mayBeChanging, hours: named?.name, at: time)
    }

    /// Whether the node may just be changing the package for one of the rollouts that were ended for another's sake, so that
    /// the version that it reported is no longer to be relied on.
    func isChanging(_ entry: NodeRegister.Entry, _ ended: [LiveRollout]) -> Bool {
        ended.contains { other in
            // One that was never handed the assignment waits again.
            other.engine.node(entry.node.id)?.state.isUnsettled ?? false
        }
    }

    /// What policy says of a rollout, to be asked once in a step; nil where none is to be trusted.
    func policy(_ rollout: LiveRollout) -> RolloutPolicy? {
        guard let publication = repository.current, let policy = publication.policy else { return nil }
        return RolloutPolicy(
            policy: policy,
            statement: rollout.statement.statement,
            signers: Set(rollout.signers),
            isSecurity: publication.releases.isSecurity(rollout.statement.statement)
        )
    }

    // MARK: - Events

    /// How a rollout begins: what policy says, then its nodes.
    func beginning(
        _ rollout: inout LiveRollout,
        _ policy: RolloutPolicy?,
        _ facts: [NodeFact],
        at time: UTCTime
    ) -> [RolloutEvent] {
        var events: [RolloutEvent] = [.urgency(skipsBake: policy?.skipsBake ?? false)]
        let limits = limits(besides: rollout.id)
        if !limits.isEmpty || rollout.revision > 0 { events.append(.fleetLimits(limits)) }
        rollout.toldLimits = limits
        let slots = rollout.hours.mapValues { $0.slot(at: time) }
        if !slots.isEmpty { events.append(.slots(slots)) }
        return events + [.nodesSelected(facts)]
    }

    /// The approvals are there: rules that lacked them may let nodes begin at other hours.
    func approval(of rollout: inout LiveRollout, at time: UTCTime) -> [RolloutEvent] {
        anew(&rollout, at: time) + [.approved]
    }

    /// Everything that policy says of a rollout, said again.
    private func anew(_ rollout: inout LiveRollout, at time: UTCTime) -> [RolloutEvent] {
        guard let body = rollout.body, let publication = repository.current else { return [] }
        let selection = RolloutSelection(rollout.statement.statement, body, publication.releases)
        let policy = policy(rollout)
        rollout.hours = [:]
        let entries = rollout.engine.nodes.compactMap { node in
            node.state == .removed ? nil : nodes[node.id]
        }
        let facts = entries.map { fact(of: $0, &rollout, policy, selection, at: time) }
        return beginning(&rollout, policy, facts, at: time)
    }

    /// What hours say that have passed since they were last asked.
    func staleSlots(_ rollout: LiveRollout, at time: UTCTime) -> [RolloutEvent] {
        let stale = rollout.engine.staleHours(at: time)
        guard !stale.isEmpty else { return [] }
        var slots: [String: Slot] = [:]
        let unknown = Slot.closed(until: nil, reason: "no rule of the policy has its hours any more")
        for name in stale { slots[name] = rollout.hours[name]?.slot(at: time) ?? unknown }
        return [.slots(slots)]
    }

    /// Tells open rollouts of a policy that they have not heard of.
    func followPolicy(at time: UTCTime) async throws {
        guard let version = repository.current?.policy?.version, version != policyVersion else { return }
        for id in live.keys {
            try await turnstile.pass {
                guard var rollout = live[id] else { return }
                let events = anew(&rollout, at: time)
                try await apply(rollout, events, at: time)
                try await tellLimits(at: time)
            }
        }
        policyVersion = version
    }

    // MARK: - Limits of the whole fleet

    /// What policy limits, with what other rollouts are changing of it.
    private func limits(besides id: RolloutID) -> [Tag: FleetLimit] {
        guard let limits = repository.current?.policy?.limits, !limits.isEmpty else { return [:] }
        var others: [Tag: Int] = [:]
        for (other, rollout) in live where other != id {
            for (tag, count) in rollout.engine.inFlightByTag { others[tag, default: 0] += count }
        }
        return Dictionary(
            uniqueKeysWithValues: limits.map { ($0.key, FleetLimit(most: $0.value, others: others[$0.key] ?? 0)) }
        )
    }

    /// Tells rollouts what the others are changing now, until everybody knows.
    ///
    /// Only behind the turnstile. What one gives up another takes at most, so that it comes to rest.
    func tellLimits(at time: UTCTime) async throws {
        for _ in 0..<(2 * live.count) {
            guard let (rollout, limits) = untold() else { return }
            try await apply(rollout, [.fleetLimits(limits)], at: time)
        }
    }

    /// A rollout that was told something else than what is so, as it is once it was told that.
    private func untold() -> (LiveRollout, [Tag: FleetLimit])? {
        for rollout in live.values.sorted(by: { ($0.started, $0.id) < ($1.started, $1.id) }) {
            let limits = limits(besides: rollout.id)
            guard limits != rollout.toldLimits else { continue }
            var told = rollout
            told.toldLimits = limits
            return (told, limits)
        }
        return nil
    }

    // MARK: - Silence

    /// Tells rollouts of nodes that were changed and have not been in contact since.
    func listen(at time: UTCTime) async throws {
        guard time >= nextListening else { return }
        // A clock that was set forward, or a service that was stopped, has heard nothing meanwhile.
        if time > nextListening.adding(seconds: Self.listeningPace * 4) { listeningSince = time }
        nextListening = time.adding(seconds: Self.listeningPace)
        // Several reports, however far apart they are.
        let since = time.adding(seconds: -max(Self.leastSilence, 3 * reportSeconds))
        guard listeningSince <= since else { return }
        for (id, rollout) in live {
            let silent = rollout.engine.nodes.compactMap { node -> RolloutEvent? in
                guard rollout.engine.needs(silent: node.id), let last = nodes[node.id]?.lastSeen, last <= since else {
                    return nil
                }
                return .silent(node.id, since: last)
            }
            try await handle(id, silent, at: time)
        }
    }
}
