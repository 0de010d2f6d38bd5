import ByteCoding
import CanonicalJSON
import MusterModel
import MusterTestSupport
import SignatureVerification
import TUF
import Testing

extension HostileServiceTests {
    @Test("arbitrary package: other bytes under a trusted name are refused")
    func arbitraryPackage() async throws {
        try await HostileScenario.run { scenario in
            let evil = try await TestPackage(HostileScenario.package, "2.0-evil").build()
            await scenario.service.hijack { request in
                request.path.contains("muster-probe_2.0") ? .file(evil, for: request) : nil
            }
            try await scenario.assign(try await scenario.upgradeStatement())
            try await scenario.expectFailure()
        }
    }

    @Test("arbitrary package: releases signed by the service's own key are refused")
    func releasesByServiceKey() async throws {
        try await HostileScenario.run { scenario in
            let evil = try await TestPackage(HostileScenario.package, "3.0").build()
            let path = "releases/muster-probe_3.0_all.deb"
            try await scenario.service.attack { fleet in
                fleet.add(path, evil, HostileScenario.description("3.0", counter: 9, fleet.time))
                fleet.releaseKeys = [fleet.manifestKey]
                // The top-level targets metadata stays the one that the root keys signed.
                fleet.keptTargets = fleet.files["metadata/1.targets.json"]
                try fleet.publishReleases()
            }
            let fleet = await scenario.service.fleet
            let body = StatementBody.upgrade(try fleet.upgrade(to: path))
            try await scenario.assign(try fleet.statement(body, seed: "third"), path)
            try await scenario.expectRefusal("signed by 0 of its keys")
        }
    }

    @Test("under-threshold keys: a root signed by one of two needed keys is refused")
    func underThresholdRoot() async throws {
        try await HostileScenario.run { scenario in
            let evil = try await TestPackage(HostileScenario.package, "3.0").build()
            let path = "releases/muster-probe_3.0_all.deb"
            try await scenario.service.attack { fleet in
                // One root key was stolen together with the service: it names itself alone in a new root.
                fleet.add(path, evil, HostileScenario.description("3.0", counter: 9, fleet.time))
                fleet.rootKeys = [fleet.rootKeys[0]]
                fleet.rootThreshold = 1
                fleet.releaseKeys = [fleet.manifestKey]
                fleet.rootVersion = 2
                fleet.targetsVersion += 1
                try fleet.publishReleases()
            }
            let fleet = await scenario.service.fleet
            let body = StatementBody.upgrade(try fleet.upgrade(to: path))
            try await scenario.assign(try fleet.statement(body, seed: "third"), path)
            try await scenario.expectRefusal("root")
        }
    }

    @Test("rollback: metadata older than the trusted is refused")
    func rollbackOfMetadata() async throws {
        try await HostileScenario.run { scenario in
            let old = await scenario.service.fleet.files
            try await scenario.service.attack { fleet in try fleet.publishReleases() }
            try await scenario.assign(try await scenario.upgradeStatement(by: ["eve"]), sequence: 99)
            try await scenario.expectRefusal("has not validly signed")
            await scenario.service.attack { fleet in
                fleet.serve(old["metadata/timestamp.json"], at: "metadata/timestamp.json")
            }
            try await scenario.assign(try await scenario.upgradeStatement())
            try await scenario.expectRefusal("timestamp")
        }
    }

    @Test("rollback: an older release needs a roll-back statement")
    func olderRelease() async throws {
        try await HostileScenario.run { scenario in
            let path = "releases/muster-probe_0.9_all.deb"
            let fleet = await scenario.service.fleet
            let statement = try fleet.statement(.upgrade(try fleet.upgrade(to: path)), seed: "older")
            try await scenario.assign(statement, path)
            try await scenario.expectRefusal("only a roll-back may go back")
        }
    }

    @Test("control: a signed roll-back goes back to the older release")
    func honestRollBack() async throws {
        try await HostileScenario.run(endsWith: "0.9") { scenario in
            let path = "releases/muster-probe_0.9_all.deb"
            let fleet = await scenario.service.fleet
            let statement = try fleet.statement(.rollBack(try fleet.upgrade(to: path)), seed: "older")
            try await scenario.assign(statement, path)
            try await scenario.expectConfirmed("0.9")
        }
    }

    @Test("freeze: a manifest that builds on newer metadata than is served is refused")
    func freeze() async throws {
        try await HostileScenario.run { scenario in
            var fleet = await scenario.service.fleet
            let statement = try await scenario.upgradeStatement()
            fleet.timestampVersion += 5
            let manifest = try fleet.manifest(
                for: scenario.service.node,
                sequence: 100,
                [fleet.assignment(HostileScenario.second, statement)]
            )
            await scenario.service.send(sequence: 100, manifest)
            try await scenario.expectRefusal("builds on timestamp")
        }
    }

    @Test("mix-and-match: releases of another version than the snapshot says are refused")
    func mixAndMatch() async throws {
        try await HostileScenario.run { scenario in
            let old = await scenario.service.fleet.files
            try await scenario.service.attack { fleet in
                try fleet.publishReleases()
                let previous = old["metadata/\(fleet.releasesVersion - 1).releases.json"]
                fleet.serve(previous, at: "metadata/\(fleet.releasesVersion).releases.json")
            }
            let fleet = await scenario.service.fleet
            let body = StatementBody.upgrade(try fleet.upgrade(to: HostileScenario.second))
            try await scenario.assign(try fleet.statement(body, seed: "second"))
            try await scenario.expectRefusal("releases")
        }
    }

    @Test("endless data: metadata without end is cut off")
    func endlessMetadata() async throws {
        try await HostileScenario.run { scenario in
            await scenario.service.hijack { request in
                request.path.hasSuffix("/timestamp.json")
                    ? .init(200, .endless([UInt8](repeating: 0x20, count: 262_144))) : nil
            }
            try await scenario.service.attack { fleet in try fleet.publishReleases() }
            try await scenario.assign(try await scenario.upgradeStatement())
            try await scenario.expectRefusal("timestamp")
        }
    }

    @Test("endless data: a package longer than signed is cut off")
    func endlessPackage() async throws {
        try await HostileScenario.run { scenario in
            await scenario.service.hijack { request in
                request.path.contains("muster-probe_2.0")
                    ? .init(200, .endless([UInt8](repeating: 0x41, count: 262_144))) : nil
            }
            try await scenario.assign(try await scenario.upgradeStatement())
            try await scenario.expectFailure()
        }
    }

    @Test("wrong name: a validly signed release whose file is another package is refused")
    func otherPackageInside() async throws {
        try await HostileScenario.run { scenario in
            let other = try await TestPackage("other-package", "2.0").build()
            try await scenario.service.attack { fleet in
                fleet.add(
                    HostileScenario.second,
                    other,
                    HostileScenario.description("2.0", counter: 3, fleet.time)
                )
                try fleet.publishReleases()
            }
            try await scenario.assign(try await scenario.upgradeStatement())
            try await scenario.expectRefusal("but muster-probe was signed")
        }
    }

    @Test("wrong platform: a release for another architecture is refused")
    func otherArchitecture() async throws {
        try await HostileScenario.run { scenario in
            try await scenario.service.attack { fleet in
                fleet.descriptions[HostileScenario.second] = ReleaseDescription(
                    package: HostileScenario.package,
                    version: "2.0",
                    architecture: "sparc64",
                    counter: 3,
                    security: false,
                    released: fleet.time,
                    healthChecks: [],
                    notes: ""
                )
                try fleet.publishReleases()
            }
            try await scenario.assign(try await scenario.upgradeStatement())
            try await scenario.expectRefusal("sparc64")
        }
    }

    @Test("a download that breaks off is resumed and the upgrade goes on")
    func brokenDownload() async throws {
        try await HostileScenario.run(endsWith: "2.0") { scenario in
            let package = try #require(await scenario.service.fleet.packages[HostileScenario.second])
            await scenario.service.hijack { request in
                guard request.path.contains("muster-probe_2.0"), request.headers["range"] == nil else { return nil }
                return .init(200, .cutOff(Array(package.prefix(200)), promised: package.count))
            }
            try await scenario.assign(try await scenario.upgradeStatement())
            try await scenario.expectConfirmed("2.0")
        }
    }
}
