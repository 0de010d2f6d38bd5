import MusterAPI
import MusterClient
import MusterModel

/// Finds the rollout that a person means by an id or its beginning.
enum RolloutChoice {
    static func find(_ text: String, _ service: ServiceConnection) async throws -> RolloutID {
        if let id = RolloutID(text) { return id }
        let rollouts = try await service.reading { try await $0.rollouts(session: $1) }
        let matches = rollouts.map(\.id).filter { text.count >= 4 && $0.text.hasPrefix(text.lowercased()) }
        guard let match = matches.first else {
            throw CommandFailure.refused("there is no rollout '\(text)': see 'muster rollout list'")
        }
        guard matches.count == 1 else {
            throw CommandFailure.refused("'\(text)' begins the ids of \(matches.count) rollouts: give more of it")
        }
        return match
    }
}
