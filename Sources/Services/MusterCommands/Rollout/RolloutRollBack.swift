import ArgumentParser
import MusterAPI
import MusterClient
import MusterModel
import MusterPolicy

struct RolloutRollBack: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "roll-back",
        abstract: "Take every node that has a bad version back to the last good one, by one signed statement.",
        discussion: """
            Halts the rollout, finds the nodes that have its version or may get it in a moment, finds the version that they had
            before (else that of the last complete rollout, else the release before), shows what changes where, asks, and signs
            one roll-back statement for exactly those nodes. It is a rollout of its own, on all of them at once, and ends the
            one that it undoes. Declining leaves the rollout halted.

            What the nodes had before is the service's word: where that is not the release before, --yes goes with --to only.

            A statement names at most \(NodeSelector.limit) nodes. Where more go back, it is for all that the rollout
            selected, or that --on says; what else that changes is shown, too.
            """
    )

    @Argument(
        help:
            "The rollout, by its id or the beginning of it, or a package for the last upgrade of it (default: the last upgrade)."
    )
    var rollout: String?

    @Option(name: .customLong("to"), help: ArgumentHelp("The version to go back to.", valueName: "version"))
    var version: String?

    @Option(
        name: .customLong("on"),
        parsing: .upToNextOption,
        help: ArgumentHelp(
            "Only these of the nodes: '*', tag:NAME or node:ID (default: the whole fleet).",
            valueName: "selector"
        )
    )
    var selectors: [SelectorArgument] = []

    @OptionGroup var options: StrategyOptions

    @Flag(help: "Do not ask.") var yes = false

    @Flag(help: "Stay and watch.") var watch = false

    @Flag(help: "As JSON.") var json = false

    func run(_ context: CommandContext) async throws {
        try await context.withService { service in
            let rollouts = try await service.authorized { try await $0.rollouts(session: $1) }
            let id = try chosen(rollouts)
            let record = try await halted(id, service, context)
            let view = try await TrustedView.refresh(context, service.client)
            let signatures = Signatures(fleet: service.fleet.fleet, policy: try view.policy(), context: context)
            let change = try checked(record, id, signatures)
            let history = ReleaseHistory(try view.releases())
            var releases: [String] = []
            for entry in history.of(change.package) where releases.last != entry.release.version {
                releases.append(entry.release.version)
            }
            let plan = try RollBackPlan(
                from: record,
                change,
                nodes: try await service.authorized { try await $0.nodes(session: $1) },
                others: rollouts.filter { $0.state == "complete" && signatures.isAsked($0) },
                releases: releases,
                to: version,
                only: selectors.map(\.selector)
            )
            guard !plan.changes.isEmpty else {
                throw CommandFailure.refused(
                    "no node has \(plan.package) \(plan.bad) or is about to get it: there is nothing to roll back "
                        + "(muster rollout cancel \(id.text.prefix(8)) ends it)"
                )
            }
            if yes, version == nil, plan.stepsBack != 1 {
                throw CommandFailure.refused(
                    "it would go back to \(plan.good), \(plan.why) by the service's word, which is not the release before "
                        + "\(plan.bad): say so with --to \(plan.good), or leave out --yes to be asked"
                )
            }
            let proposal = RolloutProposal(
                body: try RolloutProposal.body(
                    plan.package,
                    plan.good,
                    plan.selectors,
                    options.rollBackStrategy(nodes: plan.changes.count),
                    history
                ),
                isRollBack: true,
                view: view,
                lifetime: options.expires.seconds,
                reasons: lines(plan)
            )
            let started = try await proposal.submit(service, context, yes: yes, json: json, watched: watch)
            if watch { try await RolloutWatching(service: service, context: context, json: json).watch(started) }
        }
    }

    /// The rollout that is meant: by id, or the newest upgrade, of one package where it is named.
    private func chosen(_ rollouts: [RolloutRecord]) throws -> RolloutID {
        if let rollout, let id = RolloutID(rollout) { return id }
        let upgrades = rollouts.filter { $0.statement.statement.type == .upgrade }.sorted { $0.started > $1.started }
        guard let rollout else {
            guard let newest = upgrades.first else { throw CommandFailure.refused("there is no upgrade to undo") }
            return newest.id
        }
        let ofPackage = upgrades.first { $0.statement.statement.body.packageChange?.package == rollout }
        return try ofPackage?.id ?? BeginningOfID.find(rollout, in: rollouts.map(\.id), kind: "rollout")
    }

    /// Whose signatures count, by the trusted policy.
    private struct Signatures {
        let fleet: FleetID
        let policy: FleetPolicy
        let context: CommandContext

        func review(_ record: RolloutRecord, _ id: RolloutID) throws -> StatementReview {
            try StatementReview(record, id, fleet: fleet, policy: policy, now: context.now())
        }

        /// Whether its requester has signed what the record says.
        func isAsked(_ record: RolloutRecord) -> Bool { (try? review(record, record.id))?.isAsked ?? false }
    }

    /// What the rollout changes, once its requester's signature says so; what is said here stands for a signature that
    /// counts no longer, such as of somebody who left: no fleet is kept from going back.
    private func checked(_ record: RolloutRecord, _ id: RolloutID, _ signatures: Signatures) throws -> UpgradeBody {
        let review = try signatures.review(record, id)
        guard let change = review.statement.body.packageChange else {
            throw CommandFailure.refused("rollout \(id) changes no package")
        }
        let isSaid = version != nil && rollout?.utf8.elementsEqual(change.package.utf8) == true
        guard review.isAsked || isSaid else {
            throw CommandFailure.refused(
                "the policy knows no valid signature of \(review.statement.requester) on rollout \(id): whether it is about "
                    + "\(change.package) is the service's word alone; say what goes back: "
                    + "muster rollout roll-back PACKAGE --to VERSION"
            )
        }
        return change
    }

    /// The rollout with its nodes once no further node begins.
    private func halted(
        _ id: RolloutID,
        _ service: ServiceConnection,
        _ context: CommandContext
    ) async throws -> RolloutRecord {
        let record = try await service.authorized { try await $0.rollout(id, session: $1) }
        guard ["running", "waiting-for-approval"].contains(record.state) else { return record }
        let halted = try await service.authorized { client, session in
            try await client.change(id, .halt, reason: "it is about to be rolled back", session: session)
        }
        context.terminal.note("rollout \(id.text.prefix(8)) is halted")
        return halted
    }

    /// What goes back, where, and why to that version.
    private func lines(_ plan: RollBackPlan) -> [StyledText] {
        var lines = [StyledText("\(plan.package) \(plan.bad) goes back to \(plan.good): \(plan.why)")]
        for change in plan.changes.prefix(Self.shown) {
            let before = change.before.isEmpty || change.before == plan.good ? "" : " (had \(change.before))"
            lines.append(StyledText("  \(change.name): \(change.now) -> \(plan.good)\(before)"))
        }
        if plan.changes.count > Self.shown {
            lines.append(StyledText("  and \(plan.changes.count - Self.shown) more nodes"))
        }
        if plan.takenAlong > 0 {
            lines.append(
                StyledText(
                    "\(plan.takenAlong) of them neither have \(plan.bad) nor are about to get it: "
                        + "so many nodes cannot be named one by one (--on says which are meant)"
                )
            )
        }
        return lines
    }

    /// Most nodes that are listed one by one.
    private static let shown = 20
}
