import ArgumentParser
import CanonicalJSON
import MusterAPI
import MusterClient
import MusterModel
import OpenSSHFormats

struct EnrollList: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Nodes that wait to be approved."
    )

    @Flag(help: "As JSON.") var json = false

    func run(_ context: CommandContext) async throws {
        let pending = try await context.withService { service in
            try await service.reading { try await $0.enrollments(session: $1) }
        }
        if json {
            context.terminal.json(["items": .array(pending.map(\.json))])
            return
        }
        guard !pending.isEmpty else {
            context.terminal.note("no node waits for approval")
            return
        }
        var table = Table("CODE", "NAME", "TAILNET", "TAILNET TAGS", "ADDRESS", "ASKED", "NODE KEY")
        for node in pending {
            table.row(
                StyledText(EnrollmentCode.text(of: node.nodeKey), .bold),
                StyledText(node.name),
                StyledText(node.tailnet?.name ?? ""),
                StyledText(node.tailnet?.tags.joined(separator: ",") ?? "", .faint),
                StyledText(node.address),
                StyledText(Moments.ago(node.asked, now: context.now())),
                StyledText((try? SSHPublicKey(ed25519: node.nodeKey))?.fingerprint ?? "", .faint)
            )
        }
        context.terminal.table(table.withoutEmptyColumns)
        context.terminal.note("next: compare the code with the one on the node, then 'muster node approve CODE'")
    }
}
