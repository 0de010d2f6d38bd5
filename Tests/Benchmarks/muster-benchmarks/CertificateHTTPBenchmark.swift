import ByteCoding
import CanonicalJSON
import Glibc
import MusterAPI
import MusterClient
import MusterKeys
import MusterModel
import MusterTestSupport
import OpenSSHFormats
import SignatureVerification

/// The service's CPU for one user certificate over HTTP: statement verified, policy decided, certificate signed, record and
/// event on disk before it is answered.
struct CertificateHTTPBenchmark {
    let folder: String
    let binaries: String
    private let connections = 32
    private let rounds = 100

    func figure() async throws -> Figure {
        let fleet = try await BenchFleet(folder: folder, binaries: binaries)
        defer { fleet.stop() }
        let (id, node) = try await join(fleet)
        let key = try SigningKey(file: folder + "/operator")
        let requests = try (0..<connections).map { _ in
            try (0..<(rounds + 10)).map { _ in try Self.request(id, node, key) }
        }
        try await KeepAliveLoad(sequences: requests.map { Array($0.prefix(10)) }, status: "201").run(port: fleet.port)
        let before = Child.cpuSeconds(of: fleet.process)
        try await KeepAliveLoad(sequences: requests.map { Array($0.dropFirst(10)) }, status: "201").run(
            port: fleet.port
        )
        let value = (Child.cpuSeconds(of: fleet.process) - before) * 1000 / Double(connections * rounds)
        return Figure(
            name: "certificate-http",
            value: value,
            unit: "ms of server CPU",
            goal: "at most 0.30 ms of server CPU",
            met: value <= 0.30
        )
    }

    private func join(_ fleet: BenchFleet) async throws -> (FleetID, NodeID) {
        let token = try fleet.token(uses: 1)
        guard let service = ServiceAddress(fleet.address) else { throw Child.Failure.timeout(fleet.address) }
        let client = MusterClient(service: service, transport: try HTTPTransport())
        let key = TestKey("bench-node")
        let proof = EnrollRequest.proof(fleet: token.fleet, name: "bench", nodeKey: key.publicKey)
        let reply = try await client.enroll(
            EnrollRequest(
                fleet: token.fleet,
                name: "bench",
                nodeKey: key.publicKey,
                secret: token.secret,
                signature: key.sign(proof.canonicalBytes)
            )
        )
        await client.close()
        guard case .enrolled(let node, _, _) = reply else { throw Child.Failure.timeout("enrollment") }
        return (token.fleet, node)
    }

    private static func request(_ fleet: FleetID, _ node: NodeID, _ key: SigningKey) throws -> [UInt8] {
        guard let name = OperatorName("ada"), let user = AccountName("deploy"),
            let id = StatementID(random: RandomBytes.make(16))
        else { throw Child.Failure.timeout("names") }
        let now = UTCTime(seconds: Int64(time(nil)))
        let body = SSHCertificateBody(
            publicKey: try SSHPublicKey(ed25519: key.publicKey),
            user: user,
            nodes: [.node(node)],
            seconds: 3600
        )
        let statement = Statement(
            fleet: fleet,
            id: id,
            requester: name,
            issued: now,
            expires: now.adding(seconds: 7200),
            body: .sshCertificate(body)
        )
        var signed = SignedStatement(statement)
        signed.signatures = [try key.sshSignature(signed.signedBytes, statement.type.namespace)]
        let json = signed.json.jsonBytes
        let head = """
            POST /v1/ssh/certificates HTTP/1.1\r
            Host: 127.0.0.1\r
            Content-Type: application/json\r
            Content-Length: \(json.count)\r
            \r

            """
        return Array(head.utf8) + json
    }
}

/// An operator's key out of its file.
struct SigningKey {
    let publicKey: [UInt8]
    private let secret: Ed25519SecretKey

    init(file: String) throws {
        let text = Array(try Child.read(file).utf8)
        let key = try SSHPrivateKeyFile(text: text).key
        var seed = Array(key.secret.prefix(SSHPrivateKey.seedLength))
        guard let secret = Ed25519SecretKey(seed: SecretBytes(wiping: &seed)) else {
            throw Child.Failure.spawn(file, "no key")
        }
        self.secret = secret
        publicKey = secret.publicKey
    }

    /// The SSHSIG blob that `ssh-keygen -Y sign` would make.
    func sshSignature(_ message: [UInt8], _ namespace: String) throws -> [UInt8] {
        let data = SSHSignature.signedData(message: message, namespace: namespace, hash: .sha512)
        guard let plain = SSHKeySignature(algorithm: .ed25519, signature: secret.sign(data)),
            let signature = SSHSignature(
                publicKey: try SSHPublicKey(ed25519: publicKey),
                namespace: namespace,
                hash: .sha512,
                signature: plain
            )
        else { throw Child.Failure.timeout("a signature") }
        return signature.blob
    }
}
