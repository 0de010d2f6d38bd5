import CLibSSH
import Glibc
import MusterSystem
import OpenSSHFormats

/// One session: TCP, handshake, host key, login, then one command after another.
///
/// Known on its loop's thread only. Every step goes as far as it can without waiting.
final class SessionMachine {
    private enum Phase {
        case connecting
        case handshake
        case login
        case ready
        case ended
    }

    private let host: RemoteHost
    private let identity: RemoteIdentity
    private var phase = Phase.connecting
    private var transport: SSHTransport?
    private var whenConnected: ((RemoteShellError?) -> Void)?
    private var command: CommandMachine?
    private var connectDeadline: Int64?
    /// The connection, from its first moment on.
    private var socketDescriptor: Int32 = -1

    /// Begins to connect; `whenConnected` is called once, with nil when commands can be run.
    init(
        _ host: RemoteHost,
        _ identity: RemoteIdentity,
        deadline: Int64,
        whenConnected: @escaping (RemoteShellError?) -> Void
    ) {
        self.host = host
        self.identity = identity
        self.whenConnected = whenConnected
        connectDeadline = deadline
        do throws(RemoteShellError) {
            socketDescriptor = try NonblockingSocket.begin(host)
        } catch {
            fail(error)
        }
    }

    deinit { close() }

    var isEnded: Bool { phase == .ended }
    var descriptor: Int32 { socketDescriptor }
    var deadline: Int64? { connectDeadline ?? command?.deadline }

    /// What to wait for, as `poll` names it.
    var interest: Int16 {
        guard let transport else { return Int16(POLLOUT) }
        return Int16(transport.wantsToWrite ? POLLIN | POLLOUT : POLLIN)
    }

    func isDue(at now: Int64) -> Bool { deadline.map { now >= $0 } ?? false }

    /// Goes on as far as possible.
    func step(at now: Int64) {
        if let connectDeadline, now >= connectDeadline, phase != .ended {
            return fail(RemoteShellError(.timeout, "\(host.name) did not let us in, in time: \(waitedFor)"))
        }
        do throws(RemoteShellError) {
            switch phase {
            case .connecting: try connect()
            case .handshake: try shakeHands()
            case .login: try logIn()
            case .ready: try goOn(at: now)
            case .ended: break
            }
        } catch {
            fail(error)
        }
    }

    /// Runs a command; refused while another one runs.
    func run(_ command: CommandMachine, at now: Int64) {
        guard phase == .ready, let transport, self.command == nil else {
            let reason = phase == .ready ? "it runs another command" : "it is closed"
            return command.refuse(RemoteShellError(.session, "the session with \(host.name) cannot be used: \(reason)"))
        }
        self.command = command
        command.begin(transport, host.name, at: now)
        step(at: now)
    }

    /// Whoever waits does not want it any more.
    func cancel(at now: Int64) {
        if let command {
            command.cancel(at: now)
            step(at: now)
        } else if whenConnected != nil {
            fail(RemoteShellError(.cancelled, "the login on \(host.name) was given up"))
        }
    }

    /// Ends the session; a command that runs is not waited for.
    func close() {
        guard phase != .ended else { return }
        fail(RemoteShellError(.cancelled, "the session with \(host.name) was closed"))
    }

    // MARK: - Phases

    private var waitedFor: String {
        switch phase {
        case .connecting: "it does not answer"
        case .handshake: "the key exchange does not end"
        default: "the login does not end"
        }
    }

    private func connect() throws(RemoteShellError) {
        var watched = pollfd(fd: socketDescriptor, events: Int16(POLLOUT), revents: 0)
        guard poll(&watched, 1, 0) > 0 else { return }
        try NonblockingSocket.check(socketDescriptor, host)
        transport = try SSHTransport(host, descriptor: socketDescriptor)
        phase = .handshake
        try shakeHands()
    }

    private func shakeHands() throws(RemoteShellError) {
        guard let transport, try transport.shakeHands() else { return }
        if let objection = host.objection(to: try transport.serverKey()) { throw objection }
        try transport.prepareLogin(identity)
        phase = .login
        try logIn()
    }

    private func logIn() throws(RemoteShellError) {
        guard let transport, try transport.logIn() else { return }
        phase = .ready
        connectDeadline = nil
        let whenConnected = whenConnected
        self.whenConnected = nil
        whenConnected?(nil)
    }

    private func goOn(at now: Int64) throws(RemoteShellError) {
        guard let transport else { return }
        let isAlive = transport.receive()
        if let command {
            command.step(transport, at: now)
            if command.isEnded {
                self.command = nil
                if command.endsSession { return end() }
            }
        }
        if !isAlive { throw RemoteShellError(.unreachable, "\(host.name) closed the connection: \(transport.reason)") }
    }

    private func fail(_ error: RemoteShellError) {
        let whenConnected = whenConnected
        self.whenConnected = nil
        command?.abandon(error)
        command = nil
        end()
        whenConnected?(error)
    }

    private func end() {
        phase = .ended
        connectDeadline = nil
        transport?.close()
        transport = nil
        if socketDescriptor >= 0 { Glibc.close(socketDescriptor) }
        socketDescriptor = -1
    }
}
