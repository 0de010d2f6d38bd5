import ByteCoding
import CanonicalJSON
import MusterClient
import MusterModel
import MusterPolicy
import MusterSystem
import SignatureVerification
import TUF

/// Signing with a service at hand, and sending what is complete.
struct Publication: Sendable {
    let role: String
    let service: ServiceConnection
    let context: CommandContext

    /// A package file to upload.
    struct File: Sendable {
        let target: TargetFile
        let path: String
    }

    /// Shows the change against the trusted metadata and signs it with the keys at hand.
    func sign(
        _ staged: StagedMetadata,
        keys: [String],
        allowLoss: Bool = false,
        passphrase: PassphraseOptions,
        trustedDocument: [UInt8]? = nil
    ) async throws -> StagedMetadata {
        let view = try SigningView.stored(role: role, context)
        let offline = OfflineSigning(role: role, context: context)
        try offline.show(staged, view, trustedDocument: trustedDocument)
        try MetadataChange(role: role, from: view.current, to: staged.targets()).check(allowLoss: allowLoss)
        var signed = staged
        signed.envelope = try await offline.add(staged.envelope, view, keys, passphrase)
        return signed
    }

    /// Publishes where enough have signed, else writes the staged file and says who is missing.
    func publishOrStage(_ staged: StagedMetadata, files: [File]) async throws {
        let view = try SigningView.stored(role: role, context)
        guard !view.isComplete(staged.envelope) else { return try await publish(staged, files: files) }
        let path = "\(context.folder.staged)/\(role)-\(try staged.targets().version).json"
        guard !Directory.exists(path) else {
            throw CommandFailure.refused("\(path) is there already: publish it first, or remove it")
        }
        for file in files { try StagedFiles(context.folder).keep(file) }
        try staged.write(to: path)
        OfflineSigning(role: role, context: context).report(staged, view, path)
    }

    /// Sends files first and the metadata last, after checking that the service would not accept it in vain.
    func publish(_ staged: StagedMetadata, files: [File], allowLoss: Bool = false) async throws {
        let view = try SigningView.stored(role: role, context)
        let targets = try staged.targets()
        try requireComplete(staged, view)
        let change = MetadataChange(role: role, from: view.current, to: targets)
        try change.check(allowLoss: allowLoss)
        if let from = view.current?.version, targets.version != from + 1 {
            throw CommandFailure.refused(
                "this is version \(targets.version), but version \(from) is published: sign it again on top of that"
            )
        }
        if role == "policy" {
            let offline = OfflineSigning(role: role, context: context)
            let policy = try offline.stagedPolicy(staged, targets)
            let trust = try offline.stagedTrust(staged, targets, view)
            try await upload(bytes: policy.bytes, TrustedView.policyPath)
            if let trust { try await upload(bytes: trust.bytes, SSHTrust.targetPath) }
        }
        for file in files { try await upload(file) }
        try await service.authorizedIfPossible { client, session in
            try await client.publish(role: role, metadata: staged.envelope.bytes, session: session)
        }
        _ = try await TrustedView.refresh(context, service.client)
        context.terminal.line("published \(role) version \(targets.version)")
    }

    /// Refuses metadata that the repository would refuse too.
    func requireComplete(_ staged: StagedMetadata, _ view: SigningView) throws {
        guard !view.isComplete(staged.envelope) else { return }
        throw CommandFailure.refused(
            "signed by \(view.signatures(of: staged.envelope)) of the \(view.threshold) keys of '\(role)' that are needed: "
                + "nothing was sent"
        )
    }

    private func upload(_ file: File) async throws {
        guard let sha256 = file.target.hashes.sha256 else { return }
        context.terminal.note("uploading \(file.target.path), \(Moments.size(file.target.length))")
        try await service.authorized { client, session in
            try await client.upload(
                file: file.path,
                length: file.target.length,
                sha256: sha256,
                target: file.target.path,
                session: session
            )
        }
    }

    private func upload(bytes: [UInt8], _ target: String) async throws {
        try await service.authorizedIfPossible { client, session in
            try await client.upload(bytes: bytes, sha256: Digest.sha256(bytes), target: target, session: session)
        }
    }
}
