import Glibc
import MusterKeys
import MusterSystem
import MusterTestSupport
import NoticeDelivery
import Testing

@Suite struct WebhookSecretTests {
    @Test("a secret is the file's bytes without the line feed at its end")
    func reads() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("secret")
        try AtomicFile.write(Array("0123456789abcdef\n".utf8), to: path)
        var same = Array("0123456789abcdef".utf8)
        #expect(try WebhookSecret.read(path).equals(SecretBytes(wiping: &same)))
    }

    @Test("a secret that others may read, or that is too short or too long, is refused")
    func refuses() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("secret")
        try AtomicFile.write(Array("0123456789abcdef\n".utf8), to: path)
        for mode in [0o640, 0o604, 0o602] as [mode_t] {
            chmod(path, mode)
            #expect(throws: SystemError.self) { try WebhookSecret.read(path) }
        }
        for count in [0, 15, 1025, 5000] {
            try AtomicFile.write([UInt8](repeating: 0x61, count: count), to: path)
            #expect(throws: SystemError.self) { try WebhookSecret.read(path) }
        }
        #expect(throws: SystemError.self) { try WebhookSecret.read(folder.file("missing")) }
    }
}
