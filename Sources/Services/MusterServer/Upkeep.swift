import ByteCoding
import Logging
import ServiceLifecycle

/// What happens by itself: deadlines of rollouts, fresh signatures, files that nobody names.
struct Upkeep: Service {
    let service: FleetService
    /// How late a deadline may be noticed.
    private static let pace = Duration.milliseconds(200)
    /// How often slower things are looked at, in turns of `pace`.
    private static let slowly = 150

    /// Runs until the service ends.
    func run() async throws {
        try? await cancelWhenGracefulShutdown {
            var turn = 0
            while !Task.isCancelled {
                try await Task.sleep(for: Self.pace)
                let now = service.options.clock()
                if let due = service.rollouts.nextDeadline, due <= now {
                    await service.attempt("rollouts") { try await service.rollouts.tick(at: now) }
                }
                await service.attempt("rollouts and the policy") { try await service.rollouts.followPolicy(at: now) }
                await service.attempt("silent nodes") { try await service.rollouts.listen(at: now) }
                if let due = service.runs.nextDeadline, due <= now {
                    await service.attempt("runs") { try await service.runs.tick(at: now) }
                }
                await service.attempt("holds") { try await service.endHolds(at: now) }
                await service.attempt("node keys") { try await service.noteExpiries(at: now) }
                await service.attempt("revocations") { try await SSHUpkeep(service: service).follow(at: now) }
                turn += 1
                guard turn % Self.slowly == 0 else { continue }
                await service.attempt("fresh metadata") { try await service.repository.refresh(at: now) }
                guard turn % (Self.slowly * 120) == 0, let publication = service.repository.current else { continue }
                await service.attempt("unreferenced files") {
                    try await service.upload.removeUnreferenced(publication, at: now)
                }
                await service.attempt("output of old runs") { try await service.forgetRunOutput(at: now) }
                await service.attempt("certificates that are over") {
                    try await SSHUpkeep(service: service).forget(at: now)
                }
            }
        }
    }
}

extension FleetService {
    /// Does something that is tried again later: a failure is for the log.
    func attempt(_ what: String, _ body: () async throws -> Void) async {
        do {
            try await body()
        } catch is CancellationError {
            return
        } catch {
            log.error("\(what): \(error)")
        }
    }
}

/// Ends every long poll at once when the service is told to stop, so that connections can close.
struct PollEnding: Service {
    let service: FleetService

    /// Waits for the end.
    func run() async throws {
        try? await gracefulShutdown()
        service.endPolls()
    }
}
