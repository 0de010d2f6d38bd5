/// Restarts the units of a release where its package did not do so itself.
public struct UnitRestarts: Sendable {
    /// How the units were before the package changed.
    public struct Before: Sendable {
        let states: [String: UnitState]
    }

    private let control: any UnitControlling

    /// By this service manager.
    public init(_ control: any UnitControlling) {
        self.control = control
    }

    /// How the units are now.
    public func look(at units: [String]) async -> Before {
        var states: [String: UnitState] = [:]
        for unit in units { states[unit] = try? await control.state(of: unit) }
        return Before(states: states)
    }

    /// Restarts those units that run, or tried to, as they did before; returns which.
    ///
    /// A unit that is there only now, or was started anew meanwhile, is the package's business; one that was stopped stays so.
    public func finish(_ units: [String], since before: Before) async throws(PackageError) -> [String] {
        var restarted: [String] = []
        for unit in units {
            guard let old = before.states[unit], let now = try await control.state(of: unit) else { continue }
            guard now.isWanted, old.start == now.start else { continue }
            if now.isOutdated { try await control.reload() }
            try await control.restart(unit)
            restarted.append(unit)
        }
        return restarted
    }
}
