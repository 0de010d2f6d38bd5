import CanonicalJSON
import Logging
import MusterAPI
import MusterIdentity
import MusterKeys
import MusterSystem
import Synchronization

/// A step of a rotation; its name says what is so from then on.
public enum KeyStep: String, Sendable, CaseIterable {
    /// The new key is on the disk beside the old one.
    case made
    /// The service has said that it has the new key on its disk.
    case offered
    /// The new key has opened a session: the service knows the old one no more.
    case proven
    /// The new key stands in the place of the old one on the disk.
    case adopted
}

/// Called after each step of a rotation.
public typealias KeyObserver = @Sendable (KeyStep) -> Void

/// The node's keys as they are on the disk: `node.key`, and `node.key.next` while a rotation goes on.
///
/// How they followed one another stands in `successions.json`, from before the service hears of it: a service whose register
/// was put back to an older state has nobody else to learn it from. What to do with the keys is `NodeKeyring`'s to say.
/// Files are linked or renamed into place whole and synced before anything else happens, so whoever is killed finds on the
/// next start what there was.
public final class NodeKeys: Sendable {
    private struct State: Sendable {
        var ring: NodeKeyring
        var secrets: [[UInt8]: Ed25519SecretKey]
        var successions: [SignedKeySuccession]
    }

    /// Most bytes of `successions.json`.
    private static let successionBytes = 65536

    private let paths: AgentPaths
    private let state: Mutex<State>
    private let observer: KeyObserver

    /// Reads the keys of an enrolled node, and sweeps away what a killed agent left of one it was making.
    ///
    /// One readable key is enough: the other one is put aside, and the service says which of them it knows.
    public init(_ paths: AgentPaths, logger: Logger, observer: @escaping KeyObserver = { _ in }) throws(SystemError) {
        self.paths = paths
        self.observer = observer
        try Self.sweep(paths)
        var next: Ed25519SecretKey?
        do throws(SystemError) {
            next = try NodeKeyFile.readIfPresent(paths.nextKey)
        } catch {
            logger.error("\(error); it is put aside as \(paths.nextKey).damaged")
            try AtomicFile.rename(paths.nextKey, to: paths.nextKey + ".damaged")
        }
        let current: Ed25519SecretKey
        do throws(SystemError) {
            current = try NodeKeyFile.read(paths.key)
        } catch {
            guard let only = next else { throw error }
            logger.error("\(error); \(paths.nextKey) takes its place")
            try AtomicFile.rename(paths.nextKey, to: paths.key)
            (current, next) = (only, nil)
        }
        var secrets = [current.publicKey: current]
        if let next { secrets[next.publicKey] = next }
        state = Mutex(
            State(
                ring: NodeKeyring(current: current.publicKey, next: next?.publicKey),
                secrets: secrets,
                successions: Self.successions(paths, logger)
            )
        )
    }

    /// A damaged file keeps the node from nothing but finding back to a restored service.
    private static func successions(_ paths: AgentPaths, _ logger: Logger) -> [SignedKeySuccession] {
        do throws(SystemError) {
            let found = try StateFile.load(paths.successions, limit: successionBytes) { fields throws(JSONError) in
                try SignedKeySuccession.list(fields, "successions")
            }
            return found ?? []
        } catch {
            logger.error("\(error); it begins anew with the next key")
            return []
        }
    }

    /// The keys to open a session with, in the order in which to try them.
    public var candidates: [Ed25519SecretKey] {
        state.withLock { state in state.ring.candidates.compactMap { state.secrets[$0] } }
    }

    /// The key that is in use.
    public var current: [UInt8] { state.withLock { $0.ring.current } }

    /// The present key and the one that is to follow it, which is made and put on the disk where there is none.
    func pair() throws(SystemError) -> (current: Ed25519SecretKey, next: Ed25519SecretKey)? {
        if state.withLock({ $0.ring.rotation }) == .make {
            let key = try NodeKeyFile.create(at: paths.nextKey)
            state.withLock { state in
                state.ring.made(key.publicKey)
                state.secrets[key.publicKey] = key
            }
            observer(.made)
        }
        return state.withLock { state in
            guard case .offer(let next) = state.ring.rotation, let new = state.secrets[next],
                let old = state.secrets[state.ring.current]
            else { return nil }
            return (old, new)
        }
    }

    /// How a key came to follow earlier ones, oldest first; empty where it follows none.
    func successions(to key: [UInt8]) -> [SignedKeySuccession] {
        state.withLock { SignedKeySuccession.chain(to: key, in: $0.successions) }
    }

    /// Puts down what a key and the one that is to follow it signed; one that followed it before and was never used goes.
    func keep(_ succession: SignedKeySuccession) throws(SystemError) {
        let before = state.withLock { $0.successions }
        guard !before.contains(succession) else { return }
        let all = before.filter { $0.oldKey != succession.oldKey } + [succession]
        let kept = Array(all.suffix(SignedKeySuccession.limit))
        try StateFile.store(["successions": .array(kept.map(\.json))], paths.successions)
        state.withLock { $0.successions = kept }
    }

    /// The service has the new key.
    func offered() { observer(.offered) }

    /// A key has opened a session: where it is the new one, it takes the place of the old one.
    func proved(_ key: [UInt8]) throws(SystemError) {
        guard state.withLock({ $0.ring.isProven(by: key) }) else { return }
        observer(.proven)
        try AtomicFile.rename(paths.nextKey, to: paths.key)
        state.withLock { state in
            state.ring.adopted()
            state.secrets = state.secrets.filter { $0.key == state.ring.current }
        }
        observer(.adopted)
    }

    private static func sweep(_ paths: AgentPaths) throws(SystemError) {
        let name = Directory.name(of: paths.key)
        for entry in try Directory.entries(paths.folder) {
            let bare = entry.hasPrefix(".") ? String(entry.dropFirst()) : entry
            guard bare.hasPrefix(name + ".new-") || bare.hasPrefix(name + ".next.new-") else { continue }
            try AtomicFile.remove(paths.folder + "/" + entry)
        }
    }
}
