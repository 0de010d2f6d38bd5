import ByteCoding
import MusterClient
import MusterSystem
import TUF

/// Root and top-level targets metadata on their way to their threshold: signing, gathering, publishing.
struct FleetPublication: Sendable {
    let context: CommandContext

    /// Staged metadata and the file that it is in.
    typealias Staged = (path: String, metadata: StagedMetadata)

    /// Reads staged files, root first.
    func read(_ paths: [String]) throws -> [Staged] {
        let fleet = try context.folder.fleet().fleet
        var found: [Staged] = []
        for path in paths {
            let staged = try StagedMetadata.read(path, roles: FleetMetadata.roles, fleet: fleet)
            guard !found.contains(where: { $0.metadata.role == staged.role }) else {
                throw CommandFailure.usage("\(path) is the second file of '\(staged.role)': give one of each role")
            }
            found.append((path, staged))
        }
        return found.sorted { $0.metadata.role < $1.metadata.role }
    }

    /// Shows each change, then signs all with the keys at hand.
    func sign(
        _ staged: [Staged],
        _ fleet: FleetMetadata,
        keys: [String],
        allowChange: Bool,
        passphrase: PassphraseOptions,
        confirming question: String? = nil
    ) async throws -> [Staged] {
        var authorized: [String: TUFKey] = [:]
        for (_, metadata) in staged {
            let view = try view(metadata.role, staged, fleet)
            let change = try change(metadata, staged, fleet)
            for line in change.lines { context.terminal.line(line) }
            try change.check(allowChange: allowChange, now: context.now())
            authorized.merge(view.keys) { first, _ in first }
        }
        if let question { try context.terminal.confirmSigning(question) }
        let signers = try await MetadataSigners.collect(
            role: "root",
            authorized: authorized,
            named: keys,
            passphrase: passphrase,
            context
        )
        var signed: [Staged] = []
        for part in staged {
            var metadata = part.metadata
            let allowed = try view(metadata.role, staged, fleet).keys
            metadata.envelope = try await signers.sign(metadata.envelope, allowed: allowed)
            signed.append((part.path, metadata))
        }
        return signed
    }

    /// Whether enough have signed every part.
    func isComplete(_ staged: [Staged], _ fleet: FleetMetadata) throws -> Bool {
        try staged.allSatisfy { try view($0.metadata.role, staged, fleet).isComplete($0.metadata.envelope) }
    }

    /// Says who still has to sign.
    func report(_ staged: [Staged], _ fleet: FleetMetadata) throws {
        var missing: Set<String> = []
        for (path, metadata) in staged {
            let view = try view(metadata.role, staged, fleet)
            let count = view.signatures(of: metadata.envelope)
            context.terminal.line("\(path): signed by \(count) of \(view.threshold) needed")
            if count < view.threshold { missing.formUnion(view.missing(metadata.envelope)) }
        }
        let paths = staged.map(\.path).joined(separator: " ")
        guard !missing.isEmpty else { return context.terminal.note("next: muster fleet publish \(paths)") }
        let names = missing.sorted().map { String($0.prefix(16)) }.joined(separator: ", ")
        context.terminal.note("still to sign, of the keys: \(names)")
        context.terminal.note("they run: muster fleet sign \(paths)")
    }

    /// Sends root, then targets, after checking that neither would be sent in vain.
    func publish(
        _ staged: [Staged],
        _ fleet: FleetMetadata,
        allowChange: Bool,
        _ service: ServiceConnection
    ) async throws {
        let waiting = try staged.filter { part in
            let current = try fleet.current(part.metadata.role)
            let isThere = current.canonicalBytes == part.metadata.envelope.canonicalBytes
            if isThere { context.terminal.note("\(part.path) is published already") }
            return !isThere
        }
        for (path, metadata) in waiting {
            let change = try change(metadata, staged, fleet)
            try change.check(allowChange: allowChange, now: context.now())
            try requireNext(metadata, fleet)
            let view = try view(metadata.role, staged, fleet)
            guard view.isComplete(metadata.envelope) else {
                throw CommandFailure.refused(
                    "\(path): signed by \(view.signatures(of: metadata.envelope)) of the \(view.threshold) keys of "
                        + "'\(metadata.role)' that are needed: nothing was sent"
                )
            }
        }
        for (_, metadata) in waiting {
            try await service.authorizedIfPossible { client, session in
                try await client.publish(role: metadata.role, metadata: metadata.envelope.bytes, session: session)
            }
            let version = try FleetMetadata.version(metadata.envelope)
            context.terminal.line("published \(metadata.role) version \(version)")
        }
        for (path, _) in staged where Directory.parent(of: path) == context.folder.staged {
            try AtomicFile.remove(path)
        }
        _ = try await TrustedView.refresh(context, service.client)
    }

    /// What a staged file changes.
    func change(_ metadata: StagedMetadata, _ staged: [Staged], _ fleet: FleetMetadata) throws -> FleetMetadataChange {
        try FleetMetadataChange(
            metadata.role,
            from: fleet.current(metadata.role),
            to: metadata.envelope,
            signers: view(metadata.role, staged, fleet)
        )
    }

    /// Who signs: for targets, the keys that the root names which is published with it.
    private func view(_ role: String, _ staged: [Staged], _ fleet: FleetMetadata) throws -> SigningView {
        guard role == "targets", let root = staged.first(where: { $0.metadata.role == "root" }) else {
            return try fleet.view(role)
        }
        return try fleet.view(role, under: Root(root.metadata.envelope))
    }

    private func requireNext(_ metadata: StagedMetadata, _ fleet: FleetMetadata) throws {
        let version = try FleetMetadata.version(metadata.envelope)
        let current = try FleetMetadata.version(fleet.current(metadata.role))
        guard version == current + 1 else {
            throw CommandFailure.refused(
                "this is \(metadata.role) version \(version), but version \(current) is published: "
                    + "make it again with 'muster fleet renew'"
            )
        }
    }
}
