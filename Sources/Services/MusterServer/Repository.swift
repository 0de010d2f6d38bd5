import ByteCoding
import CanonicalJSON
import Logging
import MusterAPI
import MusterModel
import MusterPolicy
import MusterSigners
import MusterStore
import MusterSystem
import SignatureVerification
import Synchronization
import TUF
import TUFTrust

/// The TUF repository: takes what owners signed offline, after verifying it as a client would, and keeps it fresh.
actor Repository {
    private let store: Store
    private let state: StateDirectory
    let keys: ServiceKeys
    let signing: MetadataSigning
    private let log: Logger
    let revocations: RevocationRegister
    let turnstile = Turnstile()
    /// Judges a new `ssh/trust.json` beside the one before.
    var trustCheck: (@Sendable (SSHTrust?, SSHTrust) async throws -> Void)?
    /// Told of each publication and the one before.
    private var listener: (@Sendable (Publication?, Publication) async -> Void)?
    private nonisolated let published = Mutex<Publication?>(nil)

    init(store: Store, state: StateDirectory, keys: ServiceKeys, lifetimes: FreshnessLifetimes, log: Logger) {
        self.store = store
        self.state = state
        self.keys = keys
        self.log = log
        signing = MetadataSigning(keys: keys, lifetimes: lifetimes)
        revocations = RevocationRegister(store: store)
    }

    /// Who judges a new `ssh/trust.json`, and who is told of each publication.
    func attach(
        trustCheck: @escaping @Sendable (SSHTrust?, SSHTrust) async throws -> Void,
        listener: @escaping @Sendable (Publication?, Publication) async -> Void
    ) {
        self.trustCheck = trustCheck
        self.listener = listener
    }

    /// What is published now; nil before there is a fleet.
    nonisolated var current: Publication? { published.withLock { $0 } }

    /// What is published now, or the problem that there is no fleet.
    nonisolated func publication() throws(Problem) -> Publication {
        guard let current else { throw .noFleet() }
        return current
    }

    // MARK: - Start

    /// Publishes what the register holds, signed anew where that is due.
    func open(at time: UTCTime) async throws {
        let stored = try await store.read { transaction -> (FleetID, [String: [UInt8]])? in
            guard let digest = try transaction.setting("fleet"), let fleet = FleetID(digest: digest) else { return nil }
            var metadata: [String: [UInt8]] = [:]
            for role in ["root", "timestamp", "snapshot", "targets"] + Publication.delegatedRoles {
                metadata[role] = try transaction.newestMetadata(role: role)?.bytes
            }
            return (fleet, metadata)
        }
        guard let (fleet, metadata) = stored else { return }
        let publication = try Publication(
            fleet: fleet,
            metadata: metadata,
            policyDocument: try document(FleetPolicy.targetPath, metadata),
            sshDocument: try document(SSHTrust.targetPath, metadata),
            at: time
        )
        await take(publication, after: nil)
        try await refresh(at: time)
        for trouble in current?.troubles ?? [] { log.warning("not trusted at the moment: \(trouble)") }
    }

    // MARK: - The beginning of a fleet

    /// Makes the fleet of metadata whose version is 1 throughout; nothing is kept unless all of it verifies.
    func create(_ upload: FleetUpload, at time: UTCTime) async throws {
        try await turnstile.pass {
            guard current == nil else { throw Problem.conflict("there is a fleet already") }
            guard let fleet = FleetID(digest: Digest.sha256(upload.root)) else { throw Problem.failed("no fleet id") }
            var metadata = [
                "root": upload.root, "targets": upload.targets, "releases": upload.releases, "policy": upload.policy,
            ]
            for (role, bytes) in metadata where try version(bytes, role) != 1 {
                throw Problem.notVerified("\(role): a fleet begins with version 1")
            }
            try checkRoot(upload.root)
            let list = try await renewRevocations(&metadata, after: [:], at: time)
            try await sign(&metadata, snapshotVersion: 1, timestampVersion: 1, at: time)
            let publication = try verified(
                fleet: fleet,
                metadata,
                upload.policyDocument,
                upload.sshTrust ?? [],
                at: time,
                strictly: Set(metadata.keys)
            )
            try checkDelegations(publication)
            if let trust = publication.sshTrust { try await trustCheck?(nil, trust) }
            var files = [try keep(upload.policyDocument, FleetPolicy.targetPath, at: time)]
            if let trust = upload.sshTrust { files.append(try keep(trust, SSHTrust.targetPath, at: time)) }
            if let list { files.append(list) }
            let kept = files
            let written = metadata
            let made = try await store.write { transaction in
                guard try transaction.setOnce("fleet", Digest.sha256(upload.root)) else { return false }
                for (role, bytes) in written {
                    try transaction.addMetadata(role: role, version: 1, bytes: bytes, at: time)
                }
                for file in kept { try transaction.put(file) }
                try transaction.append(
                    event: "fleet-created",
                    actor: "musterd",
                    detail: ["fleet": JSONValue(fleet)],
                    at: time
                )
                return true
            }
            guard made else { throw Problem.conflict("there is a fleet already") }
            await take(publication, after: nil)
        }
    }

    /// The root must let our keys sign what is fresh, and nobody else's.
    private func checkRoot(_ bytes: [UInt8]) throws {
        let root: Root
        do {
            root = try Root(try SignedEnvelope(parsing: bytes, limit: TUFLimits().root))
        } catch {
            throw Problem.notVerified("root: \(error)")
        }
        guard root.consistentSnapshot else {
            throw Problem.notVerified("root: consistent_snapshot must be true")
        }
        for (role, key) in [(Root.Role.snapshot, keys.snapshot.publicKey), (.timestamp, keys.timestamp.publicKey)] {
            let named = root.roleKeys(role)
            guard named.threshold == 1, named.keys.values.map(\.ed25519) == [key] else {
                throw Problem.notVerified(
                    "root: \(role.rawValue) must name this service's \(role.rawValue) key alone, with threshold 1"
                )
            }
        }
    }

    /// The top-level targets metadata must let our keys sign manifests and revocations.
    private func checkDelegations(_ publication: Publication) throws {
        let own = [("manifest", keys.manifest.publicKey), ("revocations", keys.revocations.publicKey)]
        for (role, key) in own {
            guard let named = publication.trusted.roleKeys(delegated: role), named.threshold == 1,
                named.keys.values.map(\.ed25519) == [key]
            else {
                throw Problem.notVerified(
                    "targets: the delegation '\(role)' must name this service's \(role) key alone, with threshold 1"
                )
            }
        }
    }

    // MARK: - New metadata

    /// Publishes the next version of a role's metadata; `actor` is the operator who brought it.
    ///
    /// A root under which the present targets metadata does not verify waits for the targets metadata that fits it; false
    /// says that it waits.
    func replace(_ role: String, _ bytes: [UInt8], by actor: String, at time: UTCTime) async throws -> Bool {
        try await turnstile.pass {
            let old = try publication()
            guard let present = old.metadata[role], ["root", "targets", "releases", "policy"].contains(role) else {
                throw Problem.missing("there is no role '\(role)' whose metadata can be uploaded")
            }
            let version = try version(bytes, role)
            let expected = try self.version(present, role) + 1
            guard version == expected else {
                throw Problem.conflict("\(role): version \(version) where \(expected) is the next one")
            }
            if role == "root" { try checkNextRoot(bytes, after: present, at: time) }
            var metadata = old.metadata
            metadata[role] = bytes
            let event: Event = ("metadata-published", actor, ["role": .string(role), "version": .integer(version)])
            do {
                try await publish(metadata, after: old, added: [role: version], event: event, at: time)
            } catch let problem as Problem where problem.status == 422 {
                if role == "root" {
                    try await store.write { try $0.set(Self.stagedRoot, bytes) }
                    return false
                }
                guard role == "targets", let root = try await store.read({ try $0.setting(Self.stagedRoot) }),
                    try self.version(root, "root") == self.version(old.metadata["root"] ?? [], "root") + 1
                else { throw problem }
                metadata["root"] = root
                let added = ["root": try self.version(root, "root"), "targets": version]
                try await publish(metadata, after: old, added: added, event: event, at: time)
            }
            return true
        }
    }

    private static let stagedRoot = "staged-root"

    private func checkNextRoot(_ bytes: [UInt8], after present: [UInt8], at time: UTCTime) throws {
        try checkRoot(bytes)
        var trusted = try TrustedMetadata(trustedRoot: present, time: time)
        do {
            try trusted.updateRoot(bytes)
            try trusted.checkRootExpiry()
        } catch {
            throw Problem.notVerified("\(error)")
        }
    }

    /// Signs snapshot and timestamp anew where half of their life is over, and stops trusting what has expired.
    func refresh(at time: UTCTime) async throws {
        try await turnstile.pass {
            guard let old = current else { return }
            if try await isRefreshDue(old, at: time) {
                return try await publish(old.metadata, after: old, added: [:], event: nil, at: time)
            }
            guard let validUntil = old.validUntil, validUntil <= time else { return }
            let publication = try verified(
                fleet: old.fleet,
                old.metadata,
                try document(FleetPolicy.targetPath, old.metadata),
                try document(SSHTrust.targetPath, old.metadata),
                at: time,
                strictly: []
            )
            for trouble in publication.troubles { log.warning("no longer trusted: \(trouble)") }
            await take(publication, after: old)
        }
    }

    private func take(_ publication: Publication, after old: Publication?) async {
        published.withLock { $0 = publication }
        await listener?(old, publication)
    }

    private func isRefreshDue(_ publication: Publication, at time: UTCTime) async throws -> Bool {
        func expires(_ role: String) throws -> UTCTime {
            let bytes = publication.metadata[role] ?? []
            let envelope = try SignedEnvelope(parsing: bytes, limit: 5_000_000)
            return envelope.signedNode["expires"]?.string.flatMap { UTCTime($0) } ?? UTCTime(milliseconds: 0)
        }
        if try expires("timestamp") < time.adding(seconds: signing.lifetimes.timestamp / 2) { return true }
        if try expires("snapshot") < time.adding(seconds: signing.lifetimes.snapshot / 2) { return true }
        return try await isRevocationDue(publication, at: time)
    }

    typealias Event = (type: String, actor: String, detail: JSONValue)

    func publish(
        _ offline: [String: [UInt8]],
        after old: Publication,
        added: [String: Int64],
        event: Event?,
        at time: UTCTime
    ) async throws {
        var metadata = offline
        let snapshotVersion = try version(old.metadata["snapshot"] ?? [], "snapshot") + 1
        let timestampVersion = try version(old.metadata["timestamp"] ?? [], "timestamp") + 1
        let list = try await renewRevocations(&metadata, after: old.metadata, at: time)
        try await sign(&metadata, snapshotVersion: snapshotVersion, timestampVersion: timestampVersion, at: time)
        let publication = try verified(
            fleet: old.fleet,
            metadata,
            try document(FleetPolicy.targetPath, metadata),
            try document(SSHTrust.targetPath, metadata),
            at: time,
            strictly: Set(added.keys)
        )
        try checkTrusted(publication, added)
        if added.keys.contains("targets") { try checkDelegations(publication) }
        if added.keys.contains("releases") { try await checkFiles(publication) }
        if added.keys.contains("policy") { try await checkTrustDocument(publication, after: old) }
        warnOfLostFiles(old, publication)
        let written = metadata
        try await store.write { transaction in
            for (role, version) in added {
                try transaction.addMetadata(role: role, version: version, bytes: written[role] ?? [], at: time)
            }
            var fresh = [("snapshot", snapshotVersion, Int64(20)), ("timestamp", timestampVersion, Int64(0))]
            if let list, let signed = RevocationMetadata(written[RevocationMetadata.role]) {
                try transaction.put(list)
                fresh.append((RevocationMetadata.role, signed.version, 20))
            }
            for (role, version, kept) in fresh {
                try transaction.addMetadata(role: role, version: version, bytes: written[role] ?? [], at: time)
                try transaction.removeMetadata(role: role, before: version - kept)
            }
            if let event {
                try transaction.append(event: event.type, actor: event.actor, detail: event.detail, at: time)
            }
        }
        await take(publication, after: old)
    }

    /// What was added must be trusted now: below a role that has expired nothing was looked at.
    private func checkTrusted(_ publication: Publication, _ added: [String: Int64]) throws(Problem) {
        for (role, version) in added where role != "root" {
            let targets = role == "targets" ? publication.trusted.targets : publication.trusted.delegatedTargets(role)
            guard targets?.version == version, role != "policy" || publication.policy != nil else {
                throw .notVerified(
                    "\(role): cannot be verified before this is renewed: \(publication.troubles.joined(separator: "; "))"
                )
            }
        }
    }

    private func sign(
        _ metadata: inout [String: [UInt8]],
        snapshotVersion: Int64,
        timestampVersion: Int64,
        at time: UTCTime
    ) async throws {
        let roles = metadata.filter { $0.key == "targets" || Publication.delegatedRoles.contains($0.key) }
        let snapshot = try await signing.snapshot(version: snapshotVersion, roles: roles, at: time)
        metadata["snapshot"] = snapshot
        metadata["timestamp"] = try await signing.timestamp(
            version: timestampVersion,
            snapshot: snapshot,
            snapshotVersion: snapshotVersion,
            at: time
        )
    }

    private func verified(
        fleet: FleetID,
        _ metadata: [String: [UInt8]],
        _ policyDocument: [UInt8],
        _ sshDocument: [UInt8],
        at time: UTCTime,
        strictly: Set<String>
    ) throws -> Publication {
        do {
            return try Publication(
                fleet: fleet,
                metadata: metadata,
                policyDocument: policyDocument,
                sshDocument: sshDocument,
                at: time,
                strictly: strictly
            )
        } catch {
            throw Problem.notVerified("\(error)")
        }
    }

    private func version(_ bytes: [UInt8], _ role: String) throws -> Int64 {
        do {
            let envelope = try SignedEnvelope(parsing: bytes, limit: 5_000_000)
            guard let version = envelope.signedNode["version"]?.integer, version > 0 else {
                throw JSONError(location: "signed.version", reason: "is not a positive integer")
            }
            return version
        } catch {
            throw Problem.malformed("\(role): \(error)")
        }
    }

    // MARK: - Files that metadata names

    /// The content of the target that `policy` metadata names; empty where they name none.
    func document(_ path: String, _ metadata: [String: [UInt8]]) throws -> [UInt8] {
        guard let bytes = metadata["policy"],
            let targets = try? Targets(try SignedEnvelope(parsing: bytes, limit: 5_000_000)),
            let sha256 = targets.file(path)?.hashes.fileNamePrefix
        else { return [] }
        guard let document = try BoundedFile.readIfPresent(state.file(sha256), limit: 4_000_000) else {
            throw Problem.conflict(
                "policy: upload the file first: PUT /v1/repository/files/\(sha256)?path=\(path)"
            )
        }
        return document
    }

    /// Every release must be on disk before a client may hear of it.
    private func checkFiles(_ publication: Publication) async throws {
        let present = Set(try await store.read { try $0.files().map(\.sha256) })
        for path in publication.releases.paths.sorted() {
            guard let release = publication.releases.release(path), !present.contains(Hex.encode(release.sha256)) else {
                continue
            }
            throw Problem.conflict(
                "releases: upload the file first: PUT /v1/repository/files/\(Hex.encode(release.sha256))?path=\(path)"
            )
        }
    }

    private func warnOfLostFiles(_ old: Publication, _ new: Publication) {
        let lost = Set(old.releases.paths).subtracting(new.releases.paths)
        guard !lost.isEmpty, new.troubles.isEmpty else { return }
        log.warning("releases no longer trusted: \(lost.sorted().joined(separator: ", "))")
    }

    func keep(_ document: [UInt8], _ path: String, at time: UTCTime) throws -> StoredFile {
        let sha256 = Hex.encode(Digest.sha256(document))
        try AtomicFile.write(document, to: state.file(sha256))
        return StoredFile(sha256: sha256, length: Int64(document.count), path: path, stored: time)
    }
}
