import MusterAPI
import MusterClient
import MusterModel

/// Finds the rollout that a person means by an id or its beginning.
enum RolloutChoice {
    static func find(_ text: String, _ service: ServiceConnection) async throws -> RolloutID {
        if let id = RolloutID(text) { return id }
        let rollouts = try await service.reading { try await $0.rollouts(session: $1) }
        return try BeginningOfID.find(text, in: rollouts.map(\.id), kind: "rollout")
    }
}
