import ByteCoding
import MusterAPI
import MusterKeys
import MusterModel
import MusterSigners
import MusterSystem
import OpenSSHFormats
import Synchronization

/// The keys of the SSH certificate authorities: one of each kind, and during a rotation the next one beside it.
///
/// Which of them signs is said by `ssh/trust.json` alone, which the policy keys sign; here they only lie. Files, sealed like
/// the other service keys: `user-ca.key`, `host-ca.key`, and `user-ca-next.key`, `host-ca-next.key` while a rotation is
/// under way. In an ssh-agent: `agent-authorities` names the agent's keys, `user-ca <64 hex>` on each line.
final class SSHAuthorityKeys: Sendable {
    /// Which of the two keys of a kind.
    enum Place: String, CaseIterable {
        case present = ""
        case next = "-next"
    }

    private enum Source: Sendable {
        case sealed(Passphrase)
        /// `reserved` are the keys that sign other things.
        case agent(SSHAgent, reserved: Set<[UInt8]>)
    }

    private static let agentFile = "/agent-authorities"

    private let folder: String
    private let source: Source
    private let keys = Mutex([String: any Signer]())

    private init(folder: String, source: Source) {
        self.folder = folder
        self.source = source
    }

    // MARK: - Opening

    /// Opens the sealed files below `folder`; makes the present keys where they are missing.
    static func sealed(in folder: String, passphrase: Passphrase) throws -> SSHAuthorityKeys {
        let all = SSHAuthorityKeys(folder: folder, source: .sealed(passphrase))
        for kind in SSHAuthorityKind.allCases {
            let (present, next) = (all.file(kind, .present), all.file(kind, .next))
            // A retirement that was cut short between its two steps.
            if !Directory.exists(present), Directory.exists(next) { try AtomicFile.rename(next, to: present) }
            for place in Place.allCases {
                let path = all.file(kind, place)
                if Directory.exists(path) {
                    all.put(try SealedKeyFile.read(path).unseal(passphrase), kind, place)
                } else if place == .present {
                    all.put(try all.make(kind, place, passphrase), kind, place)
                }
            }
        }
        return all
    }

    /// Takes keys of an ssh-agent that are not `reserved`; where it holds too few there are no authorities.
    static func agent(
        _ agent: SSHAgent,
        folder: String,
        reserved: Set<[UInt8]>,
        available: [[UInt8]]
    ) async throws -> SSHAuthorityKeys {
        let all = SSHAuthorityKeys(folder: folder, source: .agent(agent, reserved: reserved))
        if let bytes = try BoundedFile.readIfPresent(folder + agentFile, limit: 4096) {
            for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
                let words = line.split(separator: " ")
                guard words.count == 2, let key = Hex.decode(words[1]), key.count == 32 else {
                    throw SystemError("use", folder + agentFile, because: "'\(line)' is not a name and a key")
                }
                all.put(try await AgentSigner(agent: agent, publicKey: key), named: String(words[0]))
            }
            return all
        }
        let free = available.filter { !reserved.contains($0) }
        guard free.count >= SSHAuthorityKind.allCases.count else { return all }
        for (kind, key) in zip(SSHAuthorityKind.allCases, free) {
            all.put(try await AgentSigner(agent: agent, publicKey: key), kind, .present)
        }
        try all.writeAgentFile()
        return all
    }

    // MARK: - Looking

    /// The key in a place; nil where there is none.
    func key(_ kind: SSHAuthorityKind, _ place: Place) -> (any Signer)? {
        keys.withLock { $0[Self.name(kind, place)] }
    }

    /// The signer of an authority that `ssh/trust.json` names; nil where its key is not here.
    func signer(_ authority: SSHPublicKey, _ kind: SSHAuthorityKind) -> (any Signer)? {
        guard case .ed25519(let bytes) = authority.material else { return nil }
        return Place.allCases.lazy.compactMap { self.key(kind, $0) }.first { $0.publicKey == bytes }
    }

    // MARK: - Rotating

    /// The next key of a kind, made where it is missing.
    func prepareNext(_ kind: SSHAuthorityKind) async throws -> any Signer {
        if let next = key(kind, .next) { return next }
        switch source {
        case .sealed(let passphrase):
            let made = try make(kind, .next, passphrase)
            put(made, kind, .next)
            return made
        case .agent(let agent, let reserved):
            let used = keys.withLock { reserved.union($0.values.map(\.publicKey)) }
            guard let free = try await agent.ed25519Keys().first(where: { !used.contains($0) }) else {
                throw Problem.conflict(
                    "the ssh-agent holds no further Ed25519 key for the next \(kind.rawValue) CA: add one with ssh-add"
                )
            }
            let signer = try await AgentSigner(agent: agent, publicKey: free)
            put(signer, kind, .next)
            try writeAgentFile()
            return signer
        }
    }

    /// Follows `ssh/trust.json` from the keys of this kind that it named `before` to those that it names `now`.
    ///
    /// A next key that was taken back is forgotten; a present key that was retired makes room for the next one.
    func settle(_ kind: SSHAuthorityKind, before: Set<[UInt8]>, now: Set<[UInt8]>) throws {
        guard let next = key(kind, .next) else { return }
        if before.contains(next.publicKey), !now.contains(next.publicKey) {
            try forget(kind)
        } else if let present = key(kind, .present), now.contains(next.publicKey), !now.contains(present.publicKey) {
            try promote(kind, next)
        }
    }

    private func forget(_ kind: SSHAuthorityKind) throws {
        keys.withLock { $0[Self.name(kind, .next)] = nil }
        switch source {
        case .sealed: try AtomicFile.remove(file(kind, .next))
        case .agent: try writeAgentFile()
        }
    }

    private func promote(_ kind: SSHAuthorityKind, _ next: any Signer) throws {
        if case .sealed = source {
            try AtomicFile.remove(file(kind, .present))
            try AtomicFile.rename(file(kind, .next), to: file(kind, .present))
        }
        keys.withLock { keys in
            keys[Self.name(kind, .present)] = next
            keys[Self.name(kind, .next)] = nil
        }
        if case .agent = source { try writeAgentFile() }
    }

    // MARK: - Files

    private static func name(_ kind: SSHAuthorityKind, _ place: Place) -> String {
        kind.rawValue + "-ca" + place.rawValue
    }

    private func file(_ kind: SSHAuthorityKind, _ place: Place) -> String {
        folder + "/" + Self.name(kind, place) + ".key"
    }

    private func put(_ signer: any Signer, _ kind: SSHAuthorityKind, _ place: Place) {
        put(signer, named: Self.name(kind, place))
    }

    private func put(_ signer: any Signer, named name: String) {
        keys.withLock { $0[name] = signer }
    }

    private func make(_ kind: SSHAuthorityKind, _ place: Place, _ passphrase: Passphrase) throws -> Ed25519SecretKey {
        let key = Ed25519SecretKey.generate()
        let comment = "musterd \(Self.name(kind, place)) key"
        try SealedKeyFile(sealing: key, passphrase: passphrase, comment: comment, cost: .interactive)
            .write(to: file(kind, place))
        return key
    }

    private func writeAgentFile() throws {
        let lines = keys.withLock { keys in
            keys.sorted { $0.key < $1.key }.map { "\($0.key) \(Hex.encode($0.value.publicKey))\n" }
        }
        try AtomicFile.write(Array(lines.joined().utf8), to: folder + Self.agentFile)
    }
}

extension SSHAgent {
    /// The Ed25519 keys that the agent holds, in its order.
    func ed25519Keys() async throws -> [[UInt8]] {
        try await keys().compactMap { identity in
            guard let key = try? SSHPublicKey(blob: identity.blob), case .ed25519(let bytes) = key.material else {
                return nil
            }
            return bytes
        }
    }
}
