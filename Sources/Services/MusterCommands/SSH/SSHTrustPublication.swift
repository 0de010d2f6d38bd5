import ByteCoding
import CanonicalJSON
import MusterModel
import MusterPolicy
import OpenSSHFormats
import TUF

/// A new `ssh/trust.json` on its way: signed by the policy keys beside the policy, which stays as it is.
struct SSHTrustPublication: Sendable {
    let service: ServiceConnection
    let context: CommandContext

    /// Signs the document with the keys at hand, and publishes it or writes a staged file.
    func publish(
        _ trust: SSHTrust,
        _ view: TrustedView,
        keys: [String],
        passphrase: PassphraseOptions
    ) async throws {
        let staged = try staged(trust, view)
        let publication = Publication(role: "policy", service: service, context: context)
        let signed = try await publication.sign(
            staged,
            keys: keys,
            passphrase: passphrase,
            trustedDocument: view.policyDocument
        )
        try await publication.publishOrStage(signed, files: [])
    }

    /// Whether it is published, rather than staged for further signatures.
    func isPublished(_ trust: SSHTrust) async throws -> Bool {
        try await TrustedView.refresh(context, service.client).sshDocument == trust.bytes
    }

    /// The next version of the policy's metadata: the same policy, which bears the metadata's version, and the document.
    private func staged(_ trust: SSHTrust, _ view: TrustedView) throws -> StagedMetadata {
        _ = try view.policy()
        let current = try view.newest("policy")
        let version = current.version + 1
        guard case .object(var policy) = try JSONValue.parse(view.policyDocument, limit: TrustedView.policyLimit) else {
            throw CommandFailure.refused("the trusted policy is no object")
        }
        policy["version"] = .integer(version)
        policy["issued"] = JSONValue(context.now().wholeSeconds)
        let document = JSONValue.object(policy)
        let files = [
            TargetFile(path: TrustedView.policyPath, content: try FleetPolicy(JSONFields(document)).bytes),
            TargetFile(path: SSHTrust.targetPath, content: trust.bytes),
        ]
        let others = current.files.filter { file in !files.contains { $0.path == file.path } }
        let targets = try Targets(version: version, expires: current.expires, targets: others + files)
        return StagedMetadata(
            fleet: service.fleet.fleet,
            role: "policy",
            envelope: try SignedEnvelope(signed: targets.json),
            document: document,
            sshTrust: trust.json
        )
    }
}

extension SSHTrust {
    /// The document in words, as its signers and readers see it.
    func lines(at time: UTCTime) -> [StyledText] {
        var lines: [StyledText] = []
        for kind in SSHAuthorityKind.allCases {
            for authority in authorities(kind) {
                let left = Int(clamping: authority.expires.seconds - time.seconds)
                let style: StyledText.Style = left < 7 * 86400 ? .loud : left < 30 * 86400 ? .warning : .faint
                lines.append(
                    StyledText("  \(kind.rawValue) CA \(authority.publicKey.fingerprint) ")
                        + StyledText(authority.phase.rawValue, .bold) + StyledText(" since \(authority.since), ")
                        + StyledText(left > 0 ? "expires \(authority.expires)" : "expired \(authority.expires)", style)
                )
            }
        }
        return lines
    }
}
