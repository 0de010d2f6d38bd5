import MusterCA
import Testing

@Suite struct OpenSSHVersionTests {
    @Test(
        "versions are read as ssh -V and banners say them",
        arguments: [
            ("OpenSSH_9.2p1 Debian-2+deb12u10, OpenSSL 3.0.19", 9, 2), ("SSH-2.0-OpenSSH_10.0", 10, 0), ("7.4p1", 7, 4),
        ]
    )
    func reads(_ text: String, _ major: Int, _ minor: Int) {
        #expect(OpenSSHVersion(text) == OpenSSHVersion(major, minor))
    }

    @Test(
        "what is no version of OpenSSH is none",
        arguments: ["", "dropbear_2022.83", "OpenSSH_", "OpenSSH_9", "9.", "x9.2"]
    )
    func refuses(_ text: String) {
        #expect(OpenSSHVersion(text) == nil)
    }

    @Test("versions are ordered by number, not by text")
    func ordered() {
        #expect(OpenSSHVersion(9, 9) < OpenSSHVersion(10, 0))
        #expect(OpenSSHVersion(8, 4) > OpenSSHVersion(8, 2))
    }
}
