import ByteCoding
import CanonicalJSON
import MusterModel
import MusterPolicy
import SignatureVerification
import TUF

/// Adding and gathering signatures of staged metadata: needs the staged file, a key and the trusted root and targets.
struct OfflineSigning: Sendable {
    let role: String
    let context: CommandContext

    /// Shows what the staged file would change, signs it with the keys at hand, writes it back.
    func sign(_ path: String, keys: [String], allowLoss: Bool, passphrase: PassphraseOptions) async throws {
        let view = try SigningView.stored(role: role, context)
        var staged = try StagedMetadata.read(path, role: role, fleet: context.folder.fleet().fleet)
        try show(staged, view)
        try MetadataChange(role: role, from: view.current, to: staged.targets()).check(allowLoss: allowLoss)
        staged.envelope = try await add(staged.envelope, view, keys, passphrase)
        try staged.write(to: path)
        report(staged, view, path)
    }

    /// Adds the signatures of the second and further files to the first.
    func merge(_ paths: [String]) throws {
        guard paths.count >= 2, let first = paths.first else {
            throw CommandFailure.usage("merging takes at least two staged files")
        }
        let view = try SigningView.stored(role: role, context)
        let fleet = try context.folder.fleet().fleet
        var staged = try StagedMetadata.read(first, role: role, fleet: fleet)
        for path in paths.dropFirst() {
            let other = try StagedMetadata.read(path, role: role, fleet: fleet)
            staged = try staged.merged(with: other, path: path, view)
        }
        try staged.write(to: first)
        report(staged, view, first)
    }

    /// The envelope with the signatures of the keys at hand.
    func add(
        _ envelope: SignedEnvelope,
        _ view: SigningView,
        _ keys: [String],
        _ passphrase: PassphraseOptions
    ) async throws -> SignedEnvelope {
        let signers = try await MetadataSigners.collect(
            role: role,
            authorized: view.keys,
            named: keys,
            passphrase: passphrase,
            context
        )
        return try await signers.sign(envelope)
    }

    /// Shows what a signer puts a name to, and checks that the document is the one that the metadata names.
    func show(_ staged: StagedMetadata, _ view: SigningView, trustedDocument: [UInt8]? = nil) throws {
        let targets = try staged.targets()
        for line in MetadataChange(role: role, from: view.current, to: targets).lines { context.terminal.line(line) }
        guard role == "policy" else { return }
        let policy = try stagedPolicy(staged, targets)
        if let trust = try stagedTrust(staged, targets, view) {
            context.terminal.line(StyledText("\(SSHTrust.targetPath) version \(trust.version):", .bold))
            for line in trust.lines(at: context.now()) { context.terminal.line(line) }
        }
        if let trustedDocument, let before = try? FleetPolicy(parsing: trustedDocument) {
            for line in PolicyDifference(from: before, to: policy).lines { context.terminal.line(line) }
            context.terminal.line()
            let difference = TextDifference.lines(from: before.json.prettyText, to: policy.json.prettyText)
            for line in difference { context.terminal.line(line) }
        } else {
            for line in PolicySummary(policy, now: context.now()).lines { context.terminal.line(line) }
        }
    }

    /// The policy that the staged file carries; a failure unless it is the one that would be signed.
    func stagedPolicy(_ staged: StagedMetadata, _ targets: Targets) throws -> FleetPolicy {
        guard let document = staged.document, let file = targets.file(TrustedView.policyPath) else {
            throw CommandFailure.refused("the staged file does not carry the policy that it is about")
        }
        let policy = try FleetPolicy(try JSONFields(document))
        guard file.hashes.match(policy.bytes), file.length == Int64(policy.bytes.count) else {
            throw CommandFailure.refused("the policy in the staged file is not the one that would be signed")
        }
        guard policy.version == targets.version else {
            throw CommandFailure.refused("the policy says version \(policy.version), its metadata \(targets.version)")
        }
        return policy
    }

    /// The new `ssh/trust.json` that the staged file carries; nil where the trusted one stays.
    func stagedTrust(_ staged: StagedMetadata, _ targets: Targets, _ view: SigningView) throws -> SSHTrust? {
        let file = targets.file(SSHTrust.targetPath)
        guard let document = staged.sshTrust else {
            guard file == view.current?.file(SSHTrust.targetPath) else {
                throw CommandFailure.refused(
                    "the staged file does not carry the \(SSHTrust.targetPath) that it changes"
                )
            }
            return nil
        }
        let trust = try SSHTrust(JSONFields(document))
        guard let file, file.hashes.match(trust.bytes), file.length == Int64(trust.bytes.count) else {
            throw CommandFailure.refused("the \(SSHTrust.targetPath) in the staged file is not the one to be signed")
        }
        return trust
    }

    /// Says who still has to sign.
    func report(_ staged: StagedMetadata, _ view: SigningView, _ path: String) {
        let count = view.signatures(of: staged.envelope)
        context.terminal.line("\(path): signed by \(count) of \(view.threshold) needed")
        if view.isComplete(staged.envelope) {
            context.terminal.note("next: muster \(noun) publish \(path)")
        } else {
            let missing = view.missing(staged.envelope).map { String($0.prefix(16)) }.joined(separator: ", ")
            context.terminal.note("still to sign, \(view.threshold - count) of the keys: \(missing)")
            context.terminal.note("they run: muster \(noun) sign \(path)")
        }
    }

    private var noun: String { role == "policy" ? "policy" : "release" }
}
