import MusterAPI
import MusterClient
import MusterModel

/// Finds the run that a person means by an id or its beginning.
enum RunChoice {
    static func find(_ text: String, _ service: ServiceConnection) async throws -> RunRecord {
        let id = try await id(text, service)
        return try await service.reading { try await $0.run(id, session: $1) }
    }

    static func id(_ text: String, _ service: ServiceConnection) async throws -> RunID {
        if let id = RunID(text) { return id }
        var query = MusterClient.RunQuery()
        query.limit = 500
        let wanted = query
        let runs = try await service.reading { try await $0.runs(wanted, session: $1) }
        return try BeginningOfID.find(text, in: runs.map(\.id), kind: "run")
    }
}
