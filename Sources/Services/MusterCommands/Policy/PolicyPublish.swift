import ArgumentParser
import ByteCoding
import CanonicalJSON
import MusterModel
import MusterPolicy
import TUF

struct PolicyPublish: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "publish",
        abstract: "Compile a policy, sign it with the policy keys and publish it; or publish a staged one.",
        discussion: """
            Given FILE.yaml: refuses it where 'muster policy check' does, tests included; shows who gains and who loses what,
            signs with the policy keys at hand and publishes, or, where more signatures are needed, writes a staged file for
            'muster policy sign'. Given a staged file: publishes it.

            exit status: 0 published, or staged; 1 the file has mistakes, a test fails, or it was refused; 2 the file could
            not be read, or the service not be reached.
            """
    )

    @Argument(help: ArgumentHelp("The policy's source, or a staged file.", valueName: "file.yaml|staged.json"))
    var file: String

    @Option(help: ArgumentHelp("Sign with this sealed key, or this .pub in the ssh-agent.", valueName: "file"))
    var policyKey: [String] = []

    @Option(help: "Days until the policy must be renewed.") var expiresDays = 365

    @OptionGroup var passphrase: PassphraseOptions

    func run(_ context: CommandContext) async throws {
        try await context.withService { service in
            let view = try await TrustedView.refresh(context, service.client)
            let publication = Publication(role: "policy", service: service, context: context)
            if file.hasSuffix(".json") {
                let staged = try StagedMetadata.read(file, role: "policy", fleet: service.fleet.fleet)
                try await publication.publish(staged, files: [])
                return
            }
            let staged = try compile(view, service.fleet.fleet, context)
            let signed = try await publication.sign(
                staged,
                keys: policyKey,
                passphrase: passphrase,
                trustedDocument: view.policyDocument
            )
            try await publication.publishOrStage(signed, files: [])
        }
    }

    private func compile(_ view: TrustedView, _ fleet: FleetID, _ context: CommandContext) throws -> StagedMetadata {
        let current = try view.newest("policy")
        let expires = context.now().adding(seconds: Int64(expiresDays) * 86400).wholeSeconds
        let review = try PolicyReview(
            file: file,
            version: current.version + 1,
            expires: expires,
            now: context.now()
        )
        let compiled = try review.policy(context.terminal)
        try review.requireTests(context.terminal)
        for remark in review.remarks where remark.isWarning {
            context.terminal.note("warning: \(remark.place)")
        }
        let file = TargetFile(path: TrustedView.policyPath, content: compiled.document)
        let others = current.files.filter { $0.path != TrustedView.policyPath }
        let targets = try Targets(version: current.version + 1, expires: expires, targets: others + [file])
        return StagedMetadata(
            fleet: fleet,
            role: "policy",
            envelope: try SignedEnvelope(signed: targets.json),
            document: compiled.policy.json
        )
    }
}
