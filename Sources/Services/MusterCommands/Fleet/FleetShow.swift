import ArgumentParser
import CanonicalJSON
import MusterModel
import TUF
import TUFTrust

struct FleetShow: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Refresh and show the fleet's trusted metadata: roles, keys, versions, expiry."
    )

    @Flag(help: "As JSON.") var json = false

    func run(_ context: CommandContext) async throws {
        let (fleet, view) = try await context.withService { service in
            (service.fleet, try await TrustedView.refresh(context, service.client))
        }
        let roles = Self.roles(view)
        if json {
            context.terminal.json([
                "fleet": JSONValue(fleet.fleet), "service": .string(fleet.service),
                "roles": .array(
                    roles.map {
                        [
                            "name": .string($0.name), "version": .integer($0.version),
                            "expires": .string($0.expires), "threshold": .integer(Int64($0.threshold)),
                            "keys": .array($0.keys.map { .string($0) }),
                        ]
                    }
                ),
            ])
            return
        }
        context.terminal.line(StyledText("fleet \(fleet.fleet)", .bold))
        context.terminal.line("service \(fleet.service)")
        var table = Table("ROLE", "VERSION", "EXPIRES", "MUST SIGN", "KEYS")
        for role in roles {
            table.row(
                StyledText(role.name),
                StyledText("\(role.version)"),
                StyledText(role.expires),
                StyledText("\(role.threshold) of \(role.keys.count)"),
                StyledText(role.keys.map { String($0.prefix(8)) }.joined(separator: " "), .faint)
            )
        }
        context.terminal.table(table)
    }

    private struct Role {
        let name: String
        let version: Int64
        let expires: String
        let threshold: Int
        let keys: [String]
    }

    private static func roles(_ view: TrustedView) -> [Role] {
        let root = view.metadata.root
        let rootKeys = root.roleKeys(.root)
        var roles = [
            Role(
                name: "root",
                version: root.version,
                expires: "\(root.expires)",
                threshold: rootKeys.threshold,
                keys: rootKeys.keys.keys.sorted()
            )
        ]
        if let targets = view.metadata.targets {
            let keys = root.roleKeys(.targets)
            roles.append(
                Role(
                    name: "targets",
                    version: targets.version,
                    expires: "\(targets.expires)",
                    threshold: keys.threshold,
                    keys: keys.keys.keys.sorted()
                )
            )
        }
        for name in TrustedView.delegatedRoles {
            guard let metadata = try? view.newest(name),
                let keys = view.metadata.roleKeys(delegated: name)
            else { continue }
            roles.append(
                Role(
                    name: name,
                    version: metadata.version,
                    expires: "\(metadata.expires)",
                    threshold: keys.threshold,
                    keys: keys.keys.keys.sorted()
                )
            )
        }
        return roles
    }
}
