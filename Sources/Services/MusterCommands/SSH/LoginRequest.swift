import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterClient
import MusterKeys
import MusterModel
import MusterSigners
import MusterSystem
import OpenSSHFormats

/// One login: account, host and how long, and how its certificate is found or got.
struct LoginRequest: Sendable {
    /// Seconds that a statement may be on its way, besides the certificate's life and the wait for approvals.
    static let margin = 120
    /// A certificate with fewer seconds left is replaced.
    static let leastLeft: Int64 = 60

    let user: AccountName
    let host: HostName
    let options: LoginOptions
    /// The one command that the certificate is for.
    var command: String?
    /// Whether to say nothing but what somebody has to know.
    var isQuiet = false
    let context: CommandContext

    var place: LoginPlace { LoginPlace(user, host, context.folder) }

    /// Whether what is kept of the host counts: it names the node that the name means, or nothing says otherwise.
    ///
    /// Else it may be the older word of the two, and the service is asked.
    func believes(_ kept: HostBook.Host) throws -> Bool {
        guard options.known.acceptNode.isEmpty else { return false }
        return try KnownNodes(context.folder).judge(host: host.text, of: kept.node).isSettled
    }

    /// Refuses a node that is another than the host's name meant before, and remembers what a new one means.
    func check(_ found: HostBook.Host) async throws {
        let accepted = Set(options.known.acceptNode.map { HostName($0)?.text ?? $0 })
        for name in accepted where name != host.text {
            throw CommandFailure.usage("--accept-node \(name): the host is called '\(host.text)' here")
        }
        guard host.text != found.node.text else { return }
        guard !NamedNodes.isID(host.text) else {
            throw CommandFailure.refused(
                "the service calls node \(found.node) '\(host.text)', which is an id and no name"
            )
        }
        guard try KnownNodes(context.folder).judge(host: host.text, of: found.node) != .known else { return }
        try await KnownNodes.change(context.folder) { try note(found, accepted, &$0) }
    }

    private func note(_ found: HostBook.Host, _ accepted: Set<String>, _ known: inout KnownNodes) throws {
        switch known.judge(host: host.text, of: found.node) {
        case .known: return
        case .new, .renamed:
            if !isQuiet { context.terminal.note("first seen: \(host.text) is \(found.node)") }
        case .changed(let old):
            guard accepted.contains(host.text) else {
                throw CommandFailure.refused(
                    NamedNodes.changed(host.text, from: old, to: found.node) + ". "
                        + NamedNodes.advice("muster ssh --accept-node \(host.text) \(host.text)")
                )
            }
        }
        try known.note(host: host.text, of: found.node)
    }

    /// The certificate that is there for a node, if it is good for a while yet and its key can be used.
    func present(_ node: NodeID) async -> SSHCertificate? {
        guard !options.new, let certificate = place.certificate(),
            certificate.content.isValid(at: context.now().adding(seconds: Self.leastLeft)),
            certificate.content.isValid(at: context.now()), certificate.content.names(user.text),
            Directory.exists(context.folder.knownHostsFile),
            let statement = statement(in: certificate),
            statement.statement.fleet == (try? context.folder.fleet().fleet),
            case .sshCertificate(let body) = statement.statement.body, body.nodes == [.node(node)],
            body.command == command
        else { return nil }
        if Directory.exists(place.keyFile) { return certificate }
        guard let held = try? await agent?.keys() else { return nil }
        let blob = certificate.blob
        return held.contains { $0.blob == blob } ? certificate : nil
    }

    /// Asks for a certificate, waits for approvals, and puts key and certificate where `ssh` finds them.
    func obtain(_ node: NodeID, _ service: ServiceConnection) async throws -> SSHCertificate {
        let trust = try await TrustedView.refresh(context, service.client).sshTrust()
        try KnownHosts.write(trust, context)
        try Directory.create(place.folder)
        let lock = try await lock()
        defer { withExtendedLifetime(lock) {} }
        // Somebody else, such as the other half of an rsync, may have been quicker.
        if let certificate = await present(node) { return certificate }
        return try await obtainNew(node, trust, service)
    }

    private func obtainNew(
        _ node: NodeID,
        _ trust: SSHTrust,
        _ service: ServiceConnection
    ) async throws -> SSHCertificate {
        let key = Ed25519SecretKey.generate()
        let publicKey = try SSHPublicKey(ed25519: key.publicKey)
        let body = SSHCertificateBody(
            publicKey: publicKey,
            user: user,
            nodes: [.node(node)],
            seconds: Int64(options.life.seconds),
            command: command,
            reason: options.reason
        )
        let lifetime = options.life.seconds + options.wait.seconds + Self.margin
        let statement = try await context.signedStatement(.sshCertificate(body), lifetime: lifetime)
        let reply = try await answer(to: statement, service)
        let certificate = try check(reply, statement, publicKey, trust)
        try await keep(key, certificate)
        if !reply.detail.isEmpty, !isQuiet { context.terminal.note(reply.detail) }
        return certificate
    }

    private func lock() async throws -> FileLock {
        for _ in 0..<(options.wait.seconds + 60) * 4 {
            if let lock = try FileLock.tryAcquire(place.lockFile) { return lock }
            try await Task.sleep(for: .milliseconds(250))
        }
        return try FileLock.acquire(place.lockFile)
    }

    private var agent: SSHAgent? {
        guard options.agent, let path = context.environment["SSH_AUTH_SOCK"], !path.isEmpty else { return nil }
        return SSHAgent(path: path)
    }

    private func statement(in certificate: SSHCertificate) -> SignedStatement? {
        guard let bytes = certificate.content.extension(SSHCertificateBody.statementExtension)?.value else {
            return nil
        }
        return try? SignedStatement(JSONFields(JSONValue.parse(bytes, limit: SSHCertificate.byteLimit)))
    }

    // MARK: - Asking

    /// The answer that says how it ended, after the wait for approvals.
    private func answer(
        to statement: SignedStatement,
        _ service: ServiceConnection
    ) async throws -> SSHCertificateReply {
        var reply = try await service.client.requestCertificate(statement)
        let id = statement.statement.id
        let deadline = context.now().adding(seconds: Int64(options.wait.seconds))
        var said = ""
        while reply.state == .waiting {
            if reply.detail != said {
                said = reply.detail
                context.terminal.note("waiting for approval: \(reply.detail)")
                context.terminal.note("they run: muster ssh approve \(id.text.prefix(8))")
            }
            let left = Int(clamping: deadline.seconds - context.now().seconds)
            guard left > 0 else {
                throw CommandFailure.refused(
                    "nobody approved it within \(Moments.span(options.wait.seconds)): \(reply.detail)"
                )
            }
            do {
                reply = try await service.client.certificate(id, wait: min(left, 50))
            } catch ClientError.unreachable {
                try await Task.sleep(for: .seconds(2))
            }
        }
        return reply
    }

    /// The certificate, once it is the one that was asked for: a service that was taken over may answer anything.
    private func check(
        _ reply: SSHCertificateReply,
        _ asked: SignedStatement,
        _ key: SSHPublicKey,
        _ trust: SSHTrust
    ) throws -> SSHCertificate {
        switch reply.state {
        case .issued: break
        case .waiting: throw CommandFailure.undetermined("the request still waits: \(reply.detail)")
        case .denied: throw CommandFailure.refused("denied: \(reply.detail)")
        case .expired: throw CommandFailure.refused(reply.detail)
        }
        guard let line = reply.certificate, let certificate = try? SSHCertificate(line: line) else {
            throw CommandFailure.refused(
                "the service says that it issued a certificate, but sent none that can be read"
            )
        }
        let content = certificate.content
        let authorities = trust.userAuthorities.trusted(at: context.now()).map(\.publicKey)
        guard content.kind == .user, content.publicKey == key, content.principals == [user.text],
            authorities.contains(content.authority), certificate.isGenuine,
            statement(in: certificate)?.signedBytes == asked.signedBytes
        else {
            throw CommandFailure.refused("the service sent another certificate than was asked for: it is not used")
        }
        return certificate
    }

    // MARK: - Keeping

    /// Into the ssh-agent, which forgets it by itself; else into files that only their owner may read.
    private func keep(_ key: Ed25519SecretKey, _ certificate: SSHCertificate) async throws {
        let publicKey = key.publicKey
        var secret = try key.withSeed { seed in
            try SSHPrivateKey(
                seed: Array(UnsafeBufferPointer(start: seed, count: SSHPrivateKey.seedLength)),
                publicKey: publicKey
            )
        }
        defer { secret.wipe() }
        let comment = "muster \(user)@\(host.text)"
        try AtomicFile.remove(place.certificateFile)
        if try await !isInAgent(secret, certificate, comment) {
            let check = RandomBytes.make(4).reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            let file = try SSHPrivateKeyFile(key: secret, comment: comment, check: check)
            try AtomicFile.write(file.text, to: place.keyFile)
        } else {
            try AtomicFile.remove(place.keyFile)
        }
        try AtomicFile.write(Array((certificate.line + "\n").utf8), to: place.certificateFile)
    }

    /// Whether an agent took it; one that takes no certificates leaves it to files.
    private func isInAgent(_ key: SSHPrivateKey, _ certificate: SSHCertificate, _ comment: String) async throws -> Bool
    {
        guard let agent else { return false }
        let left = Int64(clamping: certificate.content.validBefore) - context.now().seconds
        let addition = try SSHAgentAddition(
            key: key,
            certificate: certificate,
            comment: comment,
            lifetime: UInt32(clamping: max(1, left))
        )
        do {
            try await agent.add(addition)
            return true
        } catch {
            if !isQuiet { context.terminal.note("\(error): the key is kept in a file instead") }
            return false
        }
    }
}
