import ByteCoding
import Logging
import ServiceLifecycle

/// Looks at expiries and delivers what was announced, beside everything else: a receiver that hangs holds up nothing.
struct NoticeService: Service {
    let service: FleetService
    private static let pace = Duration.milliseconds(500)

    /// Runs until the service ends.
    func run() async throws {
        try? await cancelWhenGracefulShutdown {
            var lastLook: UTCTime?
            var lastTimestamp: Int64?
            while !Task.isCancelled {
                let now = service.options.clock()
                let timestamp = service.repository.current?.timestampVersion
                if isLookDue(after: lastLook, at: now) || timestamp != lastTimestamp {
                    await service.attempt("expiries") { try await service.look(at: now) }
                    lastLook = now
                    lastTimestamp = timestamp
                }
                if await service.notices.isDeliveryDue(at: now) {
                    await service.attempt("notices") { try await service.notices.deliver() }
                }
                try await Task.sleep(for: Self.pace)
            }
        }
    }

    /// A clock that stepped back is no reason to wait.
    private func isLookDue(after last: UTCTime?, at now: UTCTime) -> Bool {
        guard let last else { return true }
        return now < last || now >= last.adding(seconds: service.options.notices.lookEvery)
    }
}

extension FleetService {
    /// Announces what is about to expire.
    func look(at time: UTCTime) async throws {
        let subjects = await ExpirySubjects(service: self).all()
        try await notices.look(at: subjects, fleet: repository.current?.fleet, time: time)
    }
}
