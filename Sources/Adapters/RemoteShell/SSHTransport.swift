import ByteCoding
import CLibSSH
import MusterKeys

/// libssh's session: no pointer of it leaves this module, and nothing here waits.
///
/// Known on one thread only. No file is read: neither configuration, nor known hosts, nor keys.
final class SSHTransport {
    let session: ssh_session
    private let host: RemoteHost
    private var key: ssh_key?
    /// Moves this one session's bytes, once it is connected.
    private var event: ssh_event?
    private var isClosed = false

    /// Speaks over a connected descriptor, which stays the caller's and must outlive it.
    init(_ host: RemoteHost, descriptor: Int32) throws(RemoteShellError) {
        guard let session = ssh_new() else { throw RemoteShellError(.session, "no memory for an SSH session") }
        self.session = session
        self.host = host
        guard Self.configure(session, host) else {
            let reason = String(cString: ssh_get_error(UnsafeMutableRawPointer(session)))
            throw RemoteShellError(.handshake, "cannot log in on \(host.name) as \(host.user): \(reason)")
        }
        var descriptor = descriptor
        ssh_options_set(session, SSH_OPTIONS_FD, &descriptor)
        ssh_set_blocking(session, 0)
    }

    deinit { close() }

    /// Says goodbye and gives everything back, but for the descriptor: libssh closes none that it was given.
    ///
    /// Called before the descriptor is closed; nothing else is called afterwards.
    func close() {
        guard !isClosed else { return }
        isClosed = true
        if let key { ssh_key_free(key) }
        if let event {
            ssh_event_remove_session(event, session)
            ssh_event_free(event)
        }
        ssh_disconnect(session)
        ssh_free(session)
    }

    private static func configure(_ session: ssh_session, _ host: RemoteHost) -> Bool {
        var port = UInt32(host.port)
        var no = false
        ssh_options_set(session, SSH_OPTIONS_PROCESS_CONFIG, &no)
        ssh_options_set(session, SSH_OPTIONS_PORT, &port)
        let texts: [(ssh_options_e, String)] = [
            (SSH_OPTIONS_SSH_DIR, "/nonexistent"), (SSH_OPTIONS_KNOWNHOSTS, "/dev/null"),
            (SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null"), (SSH_OPTIONS_HOST, host.address),
            (SSH_OPTIONS_USER, host.user), (SSH_OPTIONS_HOSTKEYS, host.hostKeyAlgorithms),
        ]
        return texts.allSatisfy { ssh_options_set(session, $0.0, $0.1) == SSH_OK }
    }

    /// Whether bytes wait to be sent.
    var wantsToWrite: Bool { ssh_get_poll_flags(session) & SSH_WRITE_PENDING != 0 }

    /// What libssh says of the last failure.
    var reason: String {
        let text = String(cString: ssh_get_error(UnsafeMutableRawPointer(session)))
        return text.isEmpty ? "no reason given" : text.split(whereSeparator: \.isNewline).joined(separator: " ")
    }

    /// Goes on with the handshake; true when it is done and the server has proved its key.
    func shakeHands() throws(RemoteShellError) -> Bool {
        switch ssh_connect(session) {
        case SSH_OK: return true
        case SSH_AGAIN: return false
        default: throw RemoteShellError(.handshake, "the handshake with \(host.name) failed: \(reason)")
        }
    }

    /// The wire encoding of the key that the server has proved to have.
    func serverKey() throws(RemoteShellError) -> [UInt8] {
        var key: ssh_key?
        guard ssh_get_server_publickey(session, &key) == SSH_OK, let key else {
            throw RemoteShellError(.hostKey, "\(host.name) shows no host key: \(reason)")
        }
        defer { ssh_key_free(key) }
        var text: UnsafeMutablePointer<CChar>?
        guard ssh_pki_export_pubkey_base64(key, &text) == SSH_OK, let text else {
            throw RemoteShellError(.hostKey, "\(host.name) shows a host key that cannot be read: \(reason)")
        }
        defer { ssh_string_free_char(text) }
        guard let blob = Base64.decode(String(cString: text)) else {
            throw RemoteShellError(.hostKey, "\(host.name) shows a host key that cannot be read")
        }
        return blob
    }

    /// Makes the key and certificate known to libssh.
    func prepareLogin(_ identity: RemoteIdentity) throws(RemoteShellError) {
        var secret: ssh_key?
        let isRead = identity.keyText.withBytes { bytes in
            bytes.withMemoryRebound(to: CChar.self, capacity: identity.keyText.count) {
                ssh_pki_import_privkey_base64($0, nil, nil, nil, &secret)
            }
        }
        var certificate: ssh_key?
        defer { if let certificate { ssh_key_free(certificate) } }
        key = secret
        guard isRead == SSH_OK, let secret,
            ssh_pki_import_cert_base64(identity.certificateText, SSH_KEYTYPE_ED25519_CERT01, &certificate) == SSH_OK,
            ssh_pki_copy_cert_to_privkey(certificate, secret) == SSH_OK
        else { throw RemoteShellError(.identity, "libssh cannot read the key or its certificate") }
    }

    /// Goes on with the login; true when it is done.
    ///
    /// The key is forgotten then.
    func logIn() throws(RemoteShellError) -> Bool {
        let answer = ssh_userauth_publickey(session, nil, key)
        switch answer {
        case SSH_AUTH_AGAIN.rawValue: return false
        case SSH_AUTH_SUCCESS.rawValue: break
        case SSH_AUTH_ERROR.rawValue:
            throw RemoteShellError(.unreachable, "\(host.name) ended the login: \(reason)")
        default:
            throw RemoteShellError(.denied, "\(host.name) does not let \(host.user) in: \(reason)")
        }
        if let key { ssh_key_free(key) }
        key = nil
        guard let event = ssh_event_new(), ssh_event_add_session(event, session) == SSH_OK else {
            throw RemoteShellError(.session, "no memory for an SSH session")
        }
        self.event = event
        return true
    }

    /// Takes in what has come, and sends what waits; false where the connection is over.
    func receive() -> Bool {
        // Some pieces at a time, so that one who talks much does not keep the others waiting.
        for _ in 0..<16 {
            let count = ssh_event_dopoll(event, 0)
            if count == SSH_ERROR { return false }
            guard ssh_is_connected(session) != 0 else { return false }
            if count == SSH_AGAIN { break }
        }
        return true
    }
}
