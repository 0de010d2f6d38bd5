import Logging
import MusterAPI
import Synchronization
import Tailnet

/// Says who calls, and refuses who is nobody: every request passes here first.
///
/// Loopback is this machine and is never asked about. Over plain HTTP everybody else must be somebody whom the tailnet
/// knows; over TLS, where any address may call, who is not on the tailnet is only their address. While the tailnet cannot
/// be asked nobody but loopback gets in.
final class TailnetGate: Sendable {
    private let cache: TailnetCache?
    private let usesTLS: Bool
    private let isThisMachine: @Sendable (IPAddress) -> Bool
    private let log: Logger
    /// Everybody as last seen, by id, and whether the last question was answered.
    private let seen = Mutex([String: TailnetIdentity]())
    private let isReachable = Mutex(true)
    private let own = Mutex<TailnetIdentity?>(nil)

    private static let loopback4 = TailnetIdentity(id: "address:127.0.0.1", addresses: ["127.0.0.1"])
    private static let loopback6 = TailnetIdentity(id: "address:::1", addresses: ["::1"])

    /// A gate before a service that asks `source`, or nobody.
    init(_ source: (any TailnetSource)?, _ options: ServeOptions, log: Logger) {
        cache = source.map { TailnetCache($0, seconds: options.tailnetSeconds) }
        usesTLS = options.tls != nil
        isThisMachine = options.isThisMachine
        self.log = log
    }

    /// Whether a tailnet is asked at all.
    var hasTailnet: Bool { cache != nil }

    /// This machine on the tailnet, once it was asked; nil without one.
    var ownIdentity: TailnetIdentity? { own.withLock { $0 } }

    /// Asks who this machine is.
    func learnOwn() async throws(TailnetError) -> TailnetIdentity? {
        guard let cache else { return nil }
        let identity = try await cache.own()
        let before = own.withLock { own in
            defer { own = identity }
            return own
        }
        if let before, before.addresses != identity.addresses {
            let addresses = identity.addresses.joined(separator: ", ")
            log.warning("this machine's tailnet addresses are \(addresses) now: restart musterd to listen there")
        }
        return identity
    }

    /// Who is at an address; a problem where nobody is, or it cannot be known.
    func identity(at address: String) async throws(Problem) -> TailnetIdentity {
        switch address {
        case "127.0.0.1": return Self.loopback4
        case "::1": return Self.loopback6
        default: break
        }
        guard let parsed = IPAddress(address) else { throw .unknownCaller("the request has no address") }
        if isThisMachine(parsed) { return Self.byAddress(parsed) }
        guard let cache else {
            // Listening there without TLS was refused at the start.
            guard usesTLS else { throw .unknownCaller("\(address) is not this machine, and no tailnet is asked") }
            return Self.byAddress(parsed)
        }
        let found: TailnetIdentity?
        do throws(TailnetError) {
            found = try await cache.whois(address)
        } catch {
            note(error)
            throw .tailnetUnavailable(error.message)
        }
        note(nil)
        guard let found else {
            guard usesTLS else { throw .unknownCaller("the tailnet knows nobody at \(address)") }
            return Self.byAddress(parsed)
        }
        guard !found.keyExpired else {
            throw .unknownCaller("the tailnet key of \(found.name.isEmpty ? found.id : found.name) has expired")
        }
        return found
    }

    /// Asks for everybody, which also forgets whoever has another key by now; returns them by id, nil where it cannot be
    /// known.
    @discardableResult
    func refresh() async -> [String: TailnetIdentity]? {
        guard let cache else { return nil }
        do throws(TailnetError) {
            var everybody: [String: TailnetIdentity] = [:]
            for identity in try await cache.identities() { everybody[identity.id] = identity }
            if let own = try await learnOwn() { everybody[own.id] = own }
            let found = everybody
            seen.withLock { $0 = found }
            note(nil)
            return found
        } catch {
            note(error)
            return nil
        }
    }

    /// Somebody as last seen; nil for who is not there any more, or never was.
    func lastSeen(_ id: String) -> TailnetIdentity? { seen.withLock { $0[id] } }

    /// Remembers somebody who was just seen.
    func remember(_ identity: TailnetIdentity) {
        guard !identity.isAddressOnly else { return }
        seen.withLock { seen in
            var identity = identity
            // Only the list of everybody says this.
            if identity.lastHandshake == nil { identity.lastHandshake = seen[identity.id]?.lastHandshake }
            seen[identity.id] = identity
        }
    }

    private static func byAddress(_ address: IPAddress) -> TailnetIdentity {
        TailnetIdentity(id: "address:\(address)", addresses: ["\(address)"])
    }

    /// Says once that the tailnet cannot be asked, and once that it can again.
    private func note(_ error: TailnetError?) {
        let changed = isReachable.withLock { isReachable in
            defer { isReachable = error == nil }
            return isReachable != (error == nil)
        }
        guard changed else { return }
        if let error {
            log.error("nobody but this machine gets in until the tailnet answers: \(error)")
        } else {
            log.notice("the tailnet answers again")
        }
    }
}

extension TailnetIdentity {
    /// Whether nothing but an address is known: loopback, or TLS from outside the tailnet.
    var isAddressOnly: Bool { id.hasPrefix("address:") }

    /// A name for messages.
    var label: String { name.isEmpty || name == id ? id : "\(name) (\(id))" }
}
