import Logging
import Testing

@testable import MusterServer

@Suite("Where the service listens")
struct ListenAddressTests {
    @Test("Loopback and tailnet addresses are private, all others need TLS, and what is no address is refused")
    func addresses() {
        for text in [
            "127.0.0.1:8700", "127.9.9.9:1", "[::1]:0", "100.64.0.1:80", "100.127.255.255:80", "[fd7a:115c:a1e0::5]:80",
        ] {
            #expect(ListenAddress(text)?.isPrivate == true, "\(text)")
        }
        for text in ["0.0.0.0:80", "192.168.0.1:80", "100.63.0.1:80", "100.128.0.1:80", "[::]:80", "[fd7a::1]:80"] {
            #expect(ListenAddress(text)?.isPrivate == false, "\(text)")
        }
        for text in ["", "localhost:80", "127.0.0.1", "127.0.0.1:99999", "[::1:80", "1.2.3:80", "127.0.0.1:-1"] {
            #expect(ListenAddress(text) == nil, "\(text)")
        }
    }

    @Test("A public address without TLS keeps the service from starting")
    func publicAddress() async throws {
        await #expect(throws: (any Error).self) {
            var options = ServeOptions()
            options.stateDirectory = "/tmp/muster-server-test-never"
            options.listen = ["0.0.0.0:0"]
            _ = try await FleetServer(options, log: Logger(label: "test")) { _ in }
        }
    }
}
