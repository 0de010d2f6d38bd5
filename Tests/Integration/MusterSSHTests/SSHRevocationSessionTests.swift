import CanonicalJSON
import Glibc
import MusterSystem
import MusterTestSupport
import Testing

/// What is revoked on the command line is denied by a real sshd.
@Suite("RevocationTests with real logins", .enabled(if: SSHDFixture.obstacle == nil, "a real sshd is needed"))
struct SSHRevocationSessionTests {
    @Test("Revoked by serial, key ID, operator, node and key: sshd denies that certificate, and a new one logs in")
    func revoked() async throws {
        try await SSHFleetFixture.run { fixture in
            for subject in Subject.allCases {
                let before = try await fixture.ssh("echo in", ["--new"])
                #expect(before.output == "in\n", "\(subject): \(before.text)")
                let again = try await fixture.ssh("echo in")
                #expect(again.output == "in\n", "\(subject): the certificate is good until it is revoked")
                let words = try await Self.words(subject, fixture)
                let revoked = try await fixture.run(
                    ["ssh", "revoke"] + words + ["--reason", "laptop lost", "--wait", "60s"]
                )
                #expect(revoked.status == 0, "\(subject): \(revoked.text)")
                #expect(revoked.output.contains("revoked on 1 of 1 nodes"), "\(subject): \(revoked.text)")
                let after = try await fixture.ssh("echo in")
                #expect(after.status == 255 && !after.output.contains("in"), "\(subject): \(after.text)")
            }
            let new = try await fixture.ssh("echo back", ["--new"])
            #expect(new.output == "back\n", "\(new.text)")
            try await Self.checkStories(fixture)
        }
    }

    private enum Subject: String, CaseIterable {
        case serial
        case keyID = "key-id"
        case person = "operator"
        case node
        case key
    }

    /// The options that name the certificate that ada has just logged in with.
    private static func words(_ subject: Subject, _ fixture: SSHFleetFixture) async throws -> [String] {
        let newest = try await fixture.json(["ssh", "list"])["items"]?.elements.last
        guard let serial = newest?["serial"]?.number, let keyID = newest?["key_id"]?.text else {
            throw RunningProgram.Failure("no certificate is listed")
        }
        let value: String
        switch subject {
        case .serial: value = "\(serial)"
        case .keyID: value = keyID
        case .person: value = "ada"
        case .node: value = SSHFleetFixture.node
        case .key:
            let key = try await fixture.run("/usr/bin/ssh-keygen", ["-y", "-f", fixture.place() + "/id"], [:])
            value = try fixture.folder.write("lost.pub", key.output.utf8)
        }
        return ["--\(subject.rawValue)", value]
    }

    private static func checkStories(_ fixture: SSHFleetFixture) async throws {
        let list = try await fixture.run(["ssh", "list", "--all"])
        #expect(list.output.split(separator: "\n").filter { $0.contains("revoked ") }.count >= 5, "\(list.text)")
        let status = try await fixture.run(["ssh", "status"])
        #expect(status.status == 0, "\(status.text)")
        let revocations = status.output.split(separator: "\n").filter { $0.hasSuffix("by ada: laptop lost") }
        #expect(revocations.count == 5, "\(status.text)")
    }
}
