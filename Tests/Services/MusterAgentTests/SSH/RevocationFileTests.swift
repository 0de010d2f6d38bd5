import ByteCoding
import MusterModel
import MusterSystem
import MusterTestSupport
import OpenSSHFormats
import SignatureVerification
import Testing

@testable import MusterAgent

/// Which revocation lists a node takes, whoever signed them.
@Suite("the node's revocation list", .timeLimit(.minutes(60)))
struct RevocationFileTests {
    private let folder: TemporaryFolder
    private let paths: SSHPaths
    private let fleet: FleetID
    private let authorities: [SSHTrust.Authority]

    init() throws {
        folder = try TemporaryFolder()
        paths = SSHPaths(AgentPaths(folder.path))
        try paths.create()
        fleet = try #require(FleetID(digest: Digest.sha256([1])))
        authorities = [try Self.authority(FleetSimulator.userAuthority, .signing)]
    }

    private static func authority(_ key: TestKey, _ phase: SSHTrust.Phase) throws -> SSHTrust.Authority {
        let (since, expires) = (UTCTime(milliseconds: 0), UTCTime(milliseconds: 1_000_000))
        return SSHTrust.Authority(publicKey: try key.ssh, phase: phase, since: since, expires: expires)
    }

    private func file(of other: FleetID? = nil) -> RevocationFile {
        var options = SSHOptions()
        // What OpenSSH thinks of lists is asked elsewhere.
        options.keygen = "/bin/true"
        return RevocationFile(paths: paths, fleet: other ?? fleet, program: SSHDProgram(options: options))
    }

    private func list(_ version: UInt64, _ sections: [SSHRevocationList.Section] = []) throws -> [UInt8] {
        try SSHRevocationList(version: version, date: 1, comment: "", sections: sections).bytes
    }

    /// Why a list was not taken; nil where it was.
    private func install(
        _ bytes: [UInt8],
        by keys: [String],
        of other: FleetID? = nil,
        trusting others: [SSHTrust.Authority]? = nil
    ) async -> String? {
        let file = file(of: other)
        do throws(RevocationFile.Refusal) {
            try file.note(keys, for: bytes)
            try await file.install(bytes, version: nil, keys: keys, authorities: others ?? authorities)
            return nil
        } catch {
            return error.message
        }
    }

    private var version: UInt64? { file().present()?.version }

    @Test("fast-forward and recovery: the highest version of a stolen key is forgotten with that key")
    func fastForward() async throws {
        #expect(await install(try list(7), by: ["old"]) == nil)
        #expect(await install(try list(RevocationFile.versionLimit), by: ["old"]) == nil)
        let refusal = try #require(await install(try list(8), by: ["old"]))
        #expect(refusal.contains("went back") && refusal.contains("muster ssh revoke"))
        #expect(version == RevocationFile.versionLimit)
        #expect(await install(try list(8), by: ["new"]) == nil)
        #expect(version == 8)
        #expect(await install(try list(7), by: ["new"])?.contains("went back") == true)
    }

    @Test("a version that leaves no room above it is refused")
    func absurd() async throws {
        #expect(await install(try list(7), by: ["old"]) == nil)
        for version in [RevocationFile.versionLimit + 1, UInt64.max] {
            #expect(await install(try list(version), by: ["old"])?.contains("no room above") == true)
        }
        #expect(version == 7)
    }

    @Test("what an older agent left keeps its version, and belongs to the keys of now")
    func olderAgent() async throws {
        try AtomicFile.write(try list(RevocationFile.versionLimit), to: paths.revocationsCopy)
        #expect(await install(try list(8), by: ["old"])?.contains("went back") == true)
        #expect(await install(try list(8), by: ["new"]) == nil)
        // One that would not be taken today says nothing of versions.
        try AtomicFile.write(try list(.max), to: paths.revocationsCopy)
        #expect(await install(try list(9), by: ["new"]) == nil)
    }

    @Test("the same list under other keys belongs to them")
    func sameList() async throws {
        #expect(await install(try list(8), by: ["old"]) == nil)
        try file().note(["new"], for: try list(8))
        #expect(await install(try list(7), by: ["new"])?.contains("went back") == true)
        // The copy was never seen under these keys.
        try file().note(["newest"], for: try list(9))
        #expect(await install(try list(7), by: ["newest"]) == nil)
    }

    @Test("another fleet's list is neither put back nor does its version count")
    func otherFleet() async throws {
        let other = try #require(FleetID(digest: Digest.sha256([2])))
        #expect(await install(try list(9), by: ["key"]) == nil)
        #expect(file(of: other).newest == nil)
        try await file(of: other).prepare()
        #expect(version == 0)
        #expect(await install(try list(2), by: ["key"], of: other) == nil)
        #expect(version == 2)
    }

    @Test("a list that revokes a user CA of the fleet would lock everybody out: it is refused, the one before stays")
    func lockOut() async throws {
        #expect(await install(try list(7), by: ["key"]) == nil)
        let key = authorities[0].publicKey
        let blob = key.blob
        let other = try TestKey("somebody").ssh.blob
        let refusal = try #require(await install(try list(8, [.sha256([Digest.sha256(blob)])]), by: ["key"]))
        #expect(refusal.contains(key.fingerprint) && refusal.contains("muster ssh rotate user"))
        // No service of a fleet writes keys in these ways.
        for section in [SSHRevocationList.Section.keys([other]), .sha1([Digest.sha1(blob)])] {
            #expect(await install(try list(8, [section]), by: ["key"])?.contains("names keys as no service") == true)
        }
        #expect(version == 7)
        // An operator's key that was lost is revoked.
        #expect(await install(try list(8, [.sha256([Digest.sha256(other)])]), by: ["key"]) == nil)
        #expect(version == 8)
    }

    @Test("attack: a list that revokes all that a CA, or any CA, will ever sign is refused; serials made up are not")
    func everySerial() async throws {
        let authority = authorities[0].publicKey
        #expect(await install(try list(7), by: ["key"]) == nil)
        for part in [SSHRevocationList.CertificatePart.serials([5]), .range(1...UInt64.max), .keyIDs(["ada"])] {
            let section = SSHRevocationList.Section.certificates(authority: nil, [part])
            #expect(await install(try list(8, [section]), by: ["key"])?.contains("of any CA") == true)
        }
        let half = RevocationFile.serialLimit / 2
        let ranges: [[ClosedRange<UInt64>]] = [
            [1...UInt64.max], [1...(1 << 62)], [1...half, 1...half, 1...1], [1...UInt64.max, 1...UInt64.max],
        ]
        for ranges in ranges {
            let parts = ranges.map { SSHRevocationList.CertificatePart.range($0) }
            let sections = [SSHRevocationList.Section.certificates(authority: authority, parts)]
            #expect(await install(try list(8, sections), by: ["key"])?.contains("serials, as no service") == true)
            let apart = parts.map { SSHRevocationList.Section.certificates(authority: authority, [$0]) }
            #expect(await install(try list(8, apart), by: ["key"])?.contains("serials, as no service") == true)
        }
        #expect(version == 7)
        // What an operator may revoke: the highest serials that a statement can name, however they are written.
        let highest = UInt64(Int64.max)
        let madeUp: [SSHRevocationList.CertificatePart] = [
            .serials([1, highest - 9000]), .range(highest - 8000...highest - 4000),
            .bitmap(offset: highest - 100, bits: [5, 1]), .keyIDs(["backdoor"]),
        ]
        #expect(await install(try list(8, [.certificates(authority: authority, madeUp)]), by: ["key"]) == nil)
        #expect(version == 8)
    }

    @Test("a stolen user CA is revoked once another signs, and further lists are taken; the others stay protected")
    func retiring() async throws {
        let stolen = SSHRevocationList.Section.sha256([Digest.sha256(authorities[0].publicKey.blob)])
        let announced = authorities + [try Self.authority(TestKey("next"), .announced)]
        let next = Digest.sha256(announced[1].publicKey.blob)
        for section in [stolen, .sha256([next])] {
            let refusal = await install(try list(7, [section]), by: ["key"], trusting: announced)
            #expect(refusal?.contains("muster ssh rotate user") == true)
        }
        let traded = [
            try Self.authority(FleetSimulator.userAuthority, .retiring), try Self.authority(TestKey("next"), .signing),
        ]
        #expect(await install(try list(7, [stolen]), by: ["key"], trusting: traded) == nil)
        #expect(await install(try list(8, [stolen]), by: ["key"], trusting: traded) == nil)
        let refusal = await install(try list(9, [stolen, .sha256([next])]), by: ["key"], trusting: traded)
        #expect(refusal?.contains(traded[1].publicKey.fingerprint) == true)
        #expect(version == 8)
    }
}
