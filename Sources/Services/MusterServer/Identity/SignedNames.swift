import ByteCoding
import Logging
import MusterAPI
import MusterModel
import MusterPolicy
import MusterStore
import MusterSystem
import OpenSSHFormats
import SignatureVerification
import Tailnet

/// The names of WireGuard peers, out of a file that an operator signed whom a rule allows the action `tailnet-names`.
///
/// While file and signature cannot be verified there are no names: then nodes that are bound to a name are refused, and
/// never taken for somebody else. The newest version is remembered, so that an older file is refused; the same file stays
/// good while the policy has expired, or nodes could not even say so.
actor SignedNames {
    /// What the register remembers: `VERSION HEX` of the SHA-256 of the newest file that was verified.
    private struct Verified: Sendable {
        static let setting = "tailnet-names"
        let version: Int64
        let digest: [UInt8]

        init(version: Int64, digest: [UInt8]) {
            self.version = version
            self.digest = digest
        }

        init?(_ bytes: [UInt8]) {
            let words = String(decoding: bytes, as: UTF8.self).split(separator: " ")
            guard words.count == 2, let version = Int64(words[0]), let digest = Hex.decode(words[1]) else { return nil }
            self.version = version
            self.digest = digest
        }

        var bytes: [UInt8] { Array("\(version) \(Hex.encode(digest))".utf8) }
    }

    private struct Failure: Error {
        let reason: String
    }

    private let file: String?
    private let log: Logger
    private var parts: (repository: Repository, store: Store, clock: @Sendable () -> UTCTime)?
    private var newest: (names: [String: String], at: Int64)?
    private var trouble: String?

    /// How long an answer is used, in milliseconds.
    private static let pace: Int64 = 1000

    init(file: String?, log: Logger) {
        self.file = file
        self.log = log
    }

    /// Lets the names be verified: by the policy that the repository holds.
    func attach(_ repository: Repository, _ store: Store, clock: @escaping @Sendable () -> UTCTime) {
        parts = (repository, store, clock)
    }

    /// The names by key; none where the file cannot be trusted.
    func current() async -> [String: String] {
        guard let file else { return [:] }
        if let newest, MonotonicClock.milliseconds() - newest.at < Self.pace { return newest.names }
        var names: [String: String] = [:]
        var found: String?
        do {
            names = try await read(file)
        } catch {
            found = (error as? Failure)?.reason ?? "\(error)"
        }
        if found != trouble {
            if let found { log.error("the names in \(file) are not used, their nodes are refused: \(found)") }
            if found == nil { log.notice("the names in \(file) are verified") }
            trouble = found
        }
        newest = (names, MonotonicClock.milliseconds())
        return names
    }

    private func read(_ file: String) async throws -> [String: String] {
        guard let parts else { throw Failure(reason: "the service is still starting") }
        let bytes = try BoundedFile.read(file, limit: WireGuardNames.byteLimit)
        let signature = try BoundedFile.read(file + ".sig", limit: 65536)
        let document = try WireGuardNames(parsing: bytes)
        let digest = Digest.sha256(bytes)
        let before = try await parts.store.read { try $0.setting(Verified.setting) }.flatMap(Verified.init)
        let publication = try parts.repository.publication()
        if publication.policyTrouble(at: parts.clock()) != nil, before?.digest == digest { return document.names }
        if let before,
            document.version < before.version || (document.version == before.version && before.digest != digest)
        {
            throw Failure(
                reason: "version \(document.version) is not newer than version \(before.version), used before"
            )
        }
        try check(signature, of: bytes, StatementCheck(publication: publication, time: parts.clock()))
        if before?.digest != digest {
            let verified = Verified(version: document.version, digest: digest)
            try await parts.store.write { try $0.set(Verified.setting, verified.bytes) }
        }
        return document.names
    }

    private func check(_ signature: [UInt8], of bytes: [UInt8], _ check: StatementCheck) throws {
        let armored = try SSHSignature(armored: String(decoding: signature, as: UTF8.self))
        let name = try check.signer(armored.blob, of: bytes, namespace: WireGuardNames.namespace).name
        let request = PolicyRequest(
            action: PolicyAction(rawValue: "tailnet-names"),
            requester: name,
            signers: [name],
            node: nil
        )
        let decision = try check.policy().decide(request, time: check.time)
        guard decision.isAllowed else { throw Failure(reason: "\(name) signed, but \(decision)") }
    }
}
