import ByteCoding
import CanonicalJSON
import Glibc
import MusterAPI
import MusterClient
import MusterModel
import MusterTestSupport

/// The service's CPU for one version report, decoded and on disk before it is answered, over connections that stay open;
/// beside nginx answering 204 to the same requests.
struct ReportBenchmark {
    let folder: String
    let binaries: String
    private let connections = 64
    private let rounds = 400

    func figure() async throws -> Figure {
        let fleet = try await BenchFleet(folder: folder, binaries: binaries)
        defer { fleet.stop() }
        let tokens = try await sessions(fleet)
        let requests = tokens.map { Self.request("/v1/node/report", Self.report, token: $0) }
        try await KeepAliveLoad(requests: requests, rounds: 20, status: "200").run(port: fleet.port)
        let value = try await cost(of: fleet.process, port: fleet.port, requests, status: "200")
        let reference = try await nginx(requests)
        return Figure(
            name: "report-http",
            value: value,
            unit: "us of server CPU",
            reference: "nginx, empty 204",
            referenceValue: reference,
            goal: "at most 100 us of server CPU",
            met: value <= 100,
            note: reference == nil ? "nginx is not installed: apt-get install nginx-light" : ""
        )
    }

    private func cost(of pid: pid_t, port: Int, _ requests: [[UInt8]], status: String) async throws -> Double {
        let before = Child.cpuSeconds(of: pid)
        try await KeepAliveLoad(requests: requests, rounds: rounds, status: status).run(port: port)
        return (Child.cpuSeconds(of: pid) - before) * 1e6 / Double(requests.count * rounds)
    }

    private static let report = NodeReport(
        agentVersion: "0.1.0",
        osRelease: "Debian GNU/Linux 12 (bookworm)",
        kernel: "6.1.0-18-amd64",
        architecture: "amd64",
        bootID: "6f2d1c3e-8b7a-4d5e-9f00-112233445566",
        uptimeSeconds: 86400,
        packages: Dictionary(uniqueKeysWithValues: (0..<12).map { ("package-\($0)", "1.\($0).0-1") }),
        timestampVersion: 12,
        policyVersion: 3,
        sequence: 7
    )

    private static func request(_ path: String, _ report: NodeReport, token: String) -> [UInt8] {
        let body = report.json.jsonBytes
        let head = """
            POST \(path) HTTP/1.1\r
            Host: 127.0.0.1\r
            Authorization: Bearer \(token)\r
            Content-Type: application/json\r
            Content-Length: \(body.count)\r
            \r

            """
        return Array(head.utf8) + body
    }

    /// Enrolls one node for each connection and opens its session.
    private func sessions(_ fleet: BenchFleet) async throws -> [String] {
        let token = try fleet.token(uses: connections)
        guard let service = ServiceAddress(fleet.address) else { throw Child.Failure.timeout(fleet.address) }
        let client = MusterClient(service: service, transport: try HTTPTransport())
        var tokens: [String] = []
        for index in 0..<connections {
            let key = TestKey("bench-node-\(index)")
            let name = "bench-\(index)"
            let proof = EnrollRequest.proof(fleet: token.fleet, name: name, nodeKey: key.publicKey)
            let reply = try await client.enroll(
                EnrollRequest(
                    fleet: token.fleet,
                    name: name,
                    nodeKey: key.publicKey,
                    secret: token.secret,
                    signature: key.sign(proof.canonicalBytes)
                )
            )
            guard case .enrolled(let node, _, _) = reply else { throw Child.Failure.timeout("enrollment") }
            let challenge = try await client.nodeChallenge(node).challenge
            let answer = NodeSessionRequest.proof(fleet: token.fleet, node: node, challenge: challenge)
            let session = try await client.nodeSession(
                NodeSessionRequest(node: node, challenge: challenge, signature: key.sign(answer.canonicalBytes))
            )
            tokens.append(session.token)
        }
        await client.close()
        return tokens
    }

    private func nginx(_ requests: [[UInt8]]) async throws -> Double? {
        guard let port = Self.freePort() else { return nil }
        let configuration = """
            daemon off; worker_processes 1; pid \(folder)/nginx.pid; error_log stderr error;
            events { worker_connections 1024; }
            http { access_log off; keepalive_requests 1000000; client_body_temp_path \(folder);
            proxy_temp_path \(folder); fastcgi_temp_path \(folder); uwsgi_temp_path \(folder); scgi_temp_path \(folder);
            server { listen 127.0.0.1:\(port); location / { return 204; } } }
            """
        try BenchFleet.write(configuration, folder + "/nginx.conf")
        guard
            let nginx = try? Child(
                ["nginx", "-e", "stderr", "-p", folder, "-c", folder + "/nginx.conf"],
                output: folder + "/nginx.log"
            )
        else { return nil }
        defer { nginx.stop() }
        try await Task.sleep(for: .milliseconds(500))
        guard let worker = Self.firstChild(of: nginx.pid) else { return nil }
        try await KeepAliveLoad(requests: requests, rounds: 20, status: "204").run(port: port)
        return try await cost(of: worker, port: port, requests, status: "204")
    }

    private static func firstChild(of pid: pid_t) -> pid_t? {
        let children = try? Child.read("/proc/\(pid)/task/\(pid)/children")
        return children?.split(separator: " ").first.flatMap { pid_t($0) }
    }

    private static func freePort() -> Int? {
        let file = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(file) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(file, $0, length) == 0 && getsockname(file, $0, &length) == 0
            }
        }
        return bound ? Int(UInt16(bigEndian: address.sin_port)) : nil
    }
}
