import ByteCoding
import Glibc
import MusterClient
import MusterSystem
import MusterTestSupport
import SignatureVerification
import Testing

@testable import MusterServer

@Suite("Requests that end too early")
struct TruncationTests {
    /// Sends bytes to the service and hangs up.
    private func send(_ text: String, to url: String) throws {
        let port = try #require(url.split(separator: ":").last.flatMap { UInt16($0) })
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let file = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(file) }
        let connected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(file, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try #require(connected == 0)
        let bytes = Array(text.utf8)
        #expect(write(file, bytes, bytes.count) == bytes.count)
        usleep(100_000)
    }

    @Test("An upload that breaks off leaves nothing behind, and the service goes on")
    func upload() async throws {
        try await ServerFixture.run { fixture in
            let session = try await fixture.login()
            let digest = Hex.encode(Digest.sha256([1]))
            let head = """
                PUT /v1/repository/files/\(digest)?path=releases/x.deb HTTP/1.1\r
                Host: x\r
                Authorization: Bearer \(session)\r
                Content-Length: 1000\r
                \r
                only a part
                """
            try send(head, to: fixture.url)
            try send("POST /v1/enroll HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{", to: fixture.url)
            try send("GARBAGE\r\n\r\n", to: fixture.url)
            var left = ["?"]
            for _ in 0..<1000 where !left.isEmpty {
                try await Task.sleep(for: .milliseconds(50))
                left = try Directory.entries(fixture.directory + "/uploads")
            }
            #expect(left == [])
            #expect(!Directory.exists(fixture.directory + "/files/" + digest))
            #expect(try await fixture.client.nodes(session: session).isEmpty)
        }
    }
}
