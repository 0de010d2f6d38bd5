import Glibc
import Testing

@testable import MusterSystem

@Suite struct HostFactsTests {
    @Test("this machine says what it is")
    func facts() {
        let facts = HostFacts.read()
        #expect(!facts.osRelease.isEmpty)
        #expect(!facts.kernel.isEmpty)
        #expect(facts.bootID.utf8.count == 36)
        #expect(facts.uptimeSeconds > 0)
    }

    @Test("PRETTY_NAME is read with and without quotes")
    func prettyName() {
        #expect(
            HostFacts.prettyName("ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n")
                == "Debian GNU/Linux 12 (bookworm)"
        )
        #expect(HostFacts.prettyName("PRETTY_NAME=Plain") == "Plain")
        #expect(HostFacts.prettyName("NAME=x") == nil)
        // A report takes 256 bytes, whatever characters they are.
        let long = HostFacts.prettyName("PRETTY_NAME=" + String(repeating: "\u{1F427}", count: 200))
        #expect(long?.utf8.count == 256)
    }

    @Test("listening sockets are read from the kernel's table, others are not")
    func listeners() {
        let table = """
              sl  local_address rem_address   st tx_queue
               0: 0100007F:1F90 00000000:0000 0A 00000000
               1: 00000000:0016 00000000:0000 0A 00000000
               2: 0100007F:1F90 0100007F:9999 01 00000000
               3: garbage
            """
        #expect(ListeningSocket.parse(table).map(\.description) == ["127.0.0.1:8080", "0.0.0.0:22"])
        let six = "h\n 0: 00000000000000000000000001000000:0050 x 0A\n"
        #expect(ListeningSocket.parse(six).map(\.description) == ["[0:0:0:0:0:0:0:1]:80"])
    }

    @Test("a probe connects where something listens and says why where nothing does")
    func probe() async throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                _ = bind(descriptor, generic, length)
                _ = getsockname(descriptor, generic, &length)
            }
        }
        let port = UInt16(bigEndian: address.sin_port)
        await #expect(throws: SystemError.self) {
            try await TCPProbe.connect(host: "127.0.0.1", port: port, timeout: .seconds(2))
        }
        #expect(listen(descriptor, 4) == 0)
        try await TCPProbe.connect(host: "127.0.0.1", port: port, timeout: .seconds(2))
        #expect(ListeningSocket.all().contains { $0.port == port })
    }
}
