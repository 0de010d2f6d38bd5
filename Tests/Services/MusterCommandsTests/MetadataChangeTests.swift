import ByteCoding
import MusterTestSupport
import TUF
import Testing

@testable import MusterCommands

/// What a signer of metadata is shown of it.
@Suite
struct MetadataChangeTests {
    private func targets(_ version: Int64, _ path: String) throws -> Targets {
        try Targets(
            version: version,
            expires: FakeService.time.adding(seconds: 86400),
            targets: [TargetFile(path: path, content: [1, 2, 3])]
        )
    }

    @Test("attack: a file of another path that is the same text of Unicode is not kept, but lost and added")
    func canonicalEquivalence() throws {
        let (plain, kelvin) = ("releases/PackageKit_1.0_amd64.rpm", "releases/Package\u{212A}it_1.0_amd64.rpm")
        #expect(plain == kelvin, "to Unicode nothing changes")
        let change = MetadataChange(role: "releases", from: try targets(1, plain), to: try targets(2, kelvin))
        #expect(change.kept == 0 && change.changed.isEmpty)
        let lines = change.lines.map(\.plain)
        #expect(lines.contains(#"+ releases/Package\u{212a}it_1.0_amd64.rpm"#), "\(lines)")
        #expect(lines.contains { $0.utf8.elementsEqual("- \(plain)".utf8) }, "\(lines)")
        #expect(throws: CommandFailure.self) { try change.check(allowLoss: false) }
        let same = MetadataChange(role: "releases", from: try targets(1, plain), to: try targets(2, plain))
        #expect(same.kept == 1 && same.added.isEmpty && same.removed.isEmpty)
    }
}
