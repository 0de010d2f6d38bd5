import MusterAPI
import MusterClient
import MusterModel

/// Finds the node that a person means by an id or a name.
enum NodeChoice {
    /// The node for which something is to be signed.
    ///
    /// A name must mean what it meant before; an id is taken as it is.
    static func named(
        _ text: String,
        _ options: KnownNodeOptions,
        _ service: ServiceConnection,
        _ context: CommandContext
    ) async throws -> (record: NodeRecord, names: NamedNodes) {
        let record = try await find(text, service)
        return (record, try NamedNodes(record.id.text == text ? [] : [record], said: [record.name], options, context))
    }

    static func find(_ text: String, _ service: ServiceConnection) async throws -> NodeRecord {
        let nodes = try await service.reading { try await $0.nodes(session: $1) }
        let matches = nodes.filter { $0.id.text == text || $0.name == text }
        guard let match = matches.first else {
            throw CommandFailure.refused("there is no node '\(text)': see 'muster node list'")
        }
        guard matches.count == 1 else {
            let ids = matches.map(\.id.text).joined(separator: ", ")
            throw CommandFailure.refused("'\(text)' is the name of several nodes: give one of the ids \(ids)")
        }
        return match
    }
}
