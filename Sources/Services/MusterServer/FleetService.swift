// The fleet service: the register of nodes, the TUF repository, statements, rollouts and manifests, over HTTP.
//
// Parties: owners sign offline and upload; operators sign statements; nodes prove their key and address. The service itself
// signs only what is fresh (snapshot, timestamp) and what nodes have to do (manifests), and a node does nothing that an
// operator's statement does not allow. It makes SSH certificates too, which open nothing without an operator's statement.
// Keys: four Ed25519 keys and those of the SSH CAs through `Signer`, and one secret for session tokens.
// Files: `StateDirectory`.
import ByteCoding
import Logging
import MusterAPI
import MusterIdentity
import MusterKeys
import MusterModel
import MusterStore
import MusterSystem

/// One running service: its parts, each of which does one thing.
final class FleetService: Sendable {
    let options: ServeOptions
    let log: Logger
    let state: StateDirectory
    let store: Store
    let keys: ServiceKeys
    let tokens: SessionTokens
    let nodes = NodeRegister()
    /// Says who callers are.
    let gate: TailnetGate
    let repository: Repository
    let rollouts: Rollouts
    let runs: Runs
    let manifests: Manifests
    /// SSH certificates.
    let ssh: SSHSide
    let notices: Notices
    let nodeKeys: NodeKeys
    /// Who is asked to visit whom.
    let reach = ReachRegister()
    /// Holds and pins change one after another.
    let holdTurnstile = Turnstile()
    /// Uploads without a session, while nobody can log in.
    let renewals = RenewalAllowance()
    /// Wakes nodes that wait for a manifest.
    let nodePolls = LongPoll<NodeID>(limit: 2)
    /// Wakes operators who wait for events; there is one log, key 0.
    let eventPolls = LongPoll<Int>(limit: 256)

    /// Opens everything below the state directory, making what is missing; `gate` says who callers are.
    init(_ options: ServeOptions, gate: TailnetGate, names: SignedNames, log: Logger) async throws {
        self.options = options
        self.gate = gate
        self.log = log
        state = try StateDirectory(options.stateDirectory)
        keys =
            if let socket = options.agentSocket {
                try await ServiceKeys.agent(socket, folder: state.keys)
            } else {
                try ServiceKeys.sealed(in: state.keys, passphrase: options.passphrase)
            }
        let secret = try state.secret("session.key", count: MessageAuthentication.keyLength)
        guard let authentication = MessageAuthentication(key: secret) else {
            throw SystemError("use", state.keys + "/session.key", because: "it has the wrong length")
        }
        tokens = SessionTokens(authentication)
        store = try await Store.open(path: state.database, now: options.clock())
        repository = Repository(store: store, state: state, keys: keys, lifetimes: options.lifetimes, log: log)
        notices = Notices(store: store, options: options.notices, clock: options.clock, log: log)
        rollouts = Rollouts(
            store: store,
            repository: repository,
            nodes: nodes,
            notices: notices,
            reportSeconds: options.reportSeconds,
            log: log
        )
        runs = Runs(store: store, nodes: nodes, log: log)
        manifests = Manifests(
            store: store,
            repository: repository,
            keys: keys,
            rollouts: rollouts,
            runs: runs,
            nodes: nodes,
            reach: reach,
            polls: nodePolls,
            clock: options.clock
        )
        ssh = SSHSide(store)
        nodeKeys = NodeKeys(store: store, nodes: nodes, lifetime: options.nodeKeyLifetime)
        await names.attach(repository, store, clock: options.clock)
    }

    /// Reads the register into memory and goes on where the service stopped.
    func start() async throws {
        let time = options.clock()
        store.onEvents { [eventPolls, ssh] in
            eventPolls.announce(0)
            ssh.follower.wake()
        }
        store.grouped.onEvents { [eventPolls] in eventPolls.announce(0) }
        await attachSSH()
        await rollouts.onAssignmentChange { [manifests] in manifests.changed($0) }
        await runs.onWorkChange { [manifests] in manifests.changed($0) }
        try await repository.open(at: time)
        try await nodeKeys.begin(at: time)
        try await nodes.load(store)
        try await rollouts.start(at: time)
        try await runs.start(at: time)
        // What was noted of keys and removals just before the end may not have reached the rollouts.
        for node in nodes.passedBy where rollouts.hasOpen { try await rollouts.nodeChanged(node, at: time) }
        for (node, reason) in nodes.removals { try await runs.nodeLeft(node, reason: "removed: \(reason)", at: time) }
    }

    /// A set-up token where there is neither a fleet nor a token yet: printed once.
    func makeSetupToken() throws -> SetupToken? {
        guard repository.current == nil, try setupToken() == nil else { return nil }
        return try state.makeSetupToken(keysDigest: keys.digest)
    }

    /// The set-up token, while there is no fleet.
    func setupToken() throws -> SetupToken? {
        guard repository.current == nil else { return nil }
        return try state.setupToken(keysDigest: keys.digest)
    }

    /// A node joined, in the place of others.
    func joined(_ node: MusterStore.StoredNode, replacing replaced: [NodeID], at time: UTCTime) async {
        nodes.put(node)
        do {
            for old in replaced { try await left(old, reason: "replaced by \(node.id)", at: time) }
            try await rollouts.nodeChanged(node.id, at: time)
        } catch {
            log.error("node \(node.id) joined, but a rollout could not take it in: \(error)")
        }
    }

    /// What a node may do has changed: its manifest and its rollouts follow.
    func changed(_ node: NodeID, at time: UTCTime) async throws {
        manifests.changed([node])
        try await rollouts.nodeChanged(node, at: time)
    }

    /// A node was taken out of the fleet, and the register on disk says so: its sessions end, and rollouts pass it by.
    func left(_ node: NodeID, reason: String, at time: UTCTime) async throws {
        nodes.remove(node, reason: reason)
        manifests.changed([node])
        try await rollouts.nodeChanged(node, at: time)
        try await runs.nodeLeft(node, reason: "removed: \(reason)", at: time)
    }

    /// Takes note of keys that expired, and of extensions that ended.
    func noteExpiries(at time: UTCTime) async throws {
        for node in nodes.unnotedExpiries(at: time) where try await nodeKeys.noteExpiry(of: node, at: time) {
            try await changed(node, at: time)
        }
    }

    /// Closes the register: nothing is served any more.
    func end() async throws {
        ServiceNotification.stopping()
        await rollouts.onAssignmentChange { _ in }
        await runs.onWorkChange { _ in }
        try store.close()
    }

    /// Wakes everybody who waits: the service ends.
    func endPolls() {
        nodePolls.end()
        eventPolls.end()
        rollouts.polls.end()
        runs.polls.end()
        ssh.polls.end()
    }

    var operators: OperatorCalls { OperatorCalls(service: self) }
    var enrollments: Enrollments { Enrollments(service: self) }
    var upload: RepositoryUpload { RepositoryUpload(store: store, state: state, limit: options.maxFileBytes) }
}
