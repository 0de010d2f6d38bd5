import MusterAPI
import MusterClient
import MusterModel

/// Finds the node that a person means by an id or a name.
enum NodeChoice {
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
