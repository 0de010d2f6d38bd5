import ByteCoding
import CanonicalJSON
import Logging
import MusterAPI
import MusterSystem
import PackageInstaller

/// Follows sshd's log and keeps the logins by certificate until the service has them.
actor SSHLogins {
    /// Where sshd logs.
    enum Place: Hashable, Sendable {
        case file(String)
        case journal(program: String)

        /// The place that the options name; nil for none, or where there is none.
        init?(_ options: SSHOptions) {
            let journal = Command.find("journalctl", path: Command.plainEnvironment["PATH"] ?? "")
            switch options.log {
            case "none": return nil
            case "journal":
                guard let journal else { return nil }
                self = .journal(program: journal)
            case "auto":
                if let journal, Systemd.isRunning {
                    self = .journal(program: journal)
                } else if let path = ["/var/log/auth.log", "/var/log/secure"].first(where: Directory.exists) {
                    self = .file(path)
                } else {
                    return nil
                }
            default: self = .file(options.log)
            }
        }
    }

    private let path: String
    private let clock: AgentClock
    private let logger: Logger
    private var record: SSHLogRecord
    private var authorities: Set<String> = []
    private let arrived: @Sendable () -> Void

    /// The logins that are kept in the file at `path`; `arrived` is told of new ones.
    init(path: String, clock: AgentClock, logger: Logger, arrived: @escaping @Sendable () -> Void) {
        self.path = path
        self.clock = clock
        self.logger = logger
        self.arrived = arrived
        let stored = try? StateFile.load(path, limit: SSHLogRecord.byteLimit) { fields throws(JSONError) in
            SSHLogRecord(fields)
        }
        record = (stored ?? nil) ?? SSHLogRecord()
    }

    /// Says whose certificates are the fleet's, by fingerprint; logins by those of others are nobody's business here.
    ///
    /// An authority stays known once it was: a retired one must not log in unseen.
    func know(_ fingerprints: some Sequence<String>) {
        authorities.formUnion(fingerprints)
    }

    /// The oldest logins that wait, as many as a report carries, and the number of the last of them.
    func waiting() -> (logins: [SSHReport.Login], through: Int64) {
        let entries = record.waiting.prefix(SSHReport.loginLimit)
        return (entries.map(\.login), entries.last?.number ?? 0)
    }

    /// The service has the logins up to this number on its disk.
    func delivered(through number: Int64) {
        let count = record.waiting.count
        record.waiting.removeAll { $0.number <= number }
        if record.waiting.count != count { store() }
    }

    /// Follows the log until the task is cancelled.
    func follow(_ place: Place) async {
        switch place {
        case .file(let path): await follow(file: path)
        case .journal(let program): await follow(journal: program)
        }
    }

    // MARK: - A file

    private func follow(file path: String) async {
        var file = SSHLogFile(path, from: record.position)
        var complained = false
        while !Task.isCancelled {
            do throws(SystemError) {
                take(try file.lines())
                record.position = file.position
                complained = false
            } catch {
                if !complained { logger.warning("sshd's log cannot be read", metadata: ["reason": "\(error)"]) }
                complained = true
            }
            try? await clock.sleep(.seconds(1))
        }
        store()
    }

    private func take(_ lines: [[UInt8]]) {
        var found = false
        for line in lines where take(line, at: clock.now()) { found = true }
        guard found else { return }
        store()
        arrived()
    }

    // MARK: - The journal

    private func follow(journal program: String) async {
        var backoff = Backoff(Backoff.Policy(first: 1000, longest: 60000), seed: clock.random())
        while !Task.isCancelled {
            do throws(SystemError) {
                let journal = try FollowedProgram(program, JournalLine.arguments(after: record.cursor))
                var rest: [UInt8] = []
                while let bytes = await journal.next() {
                    backoff.reset()
                    take(journal: bytes, &rest)
                }
            } catch {
                logger.warning("the journal cannot be read", metadata: ["reason": "\(error)"])
            }
            try? await clock.sleep(backoff.next() ?? .seconds(60))
        }
        store()
    }

    private func take(journal bytes: [UInt8], _ rest: inout [UInt8]) {
        rest.append(contentsOf: bytes)
        var found = false
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            if let line = JournalLine(Array(rest[..<end])) {
                for message in line.messages where take(message, at: line.time ?? clock.now()) { found = true }
                record.cursor = line.cursor
            }
            rest.removeFirst(end + 1)
        }
        if rest.count > JournalLine.limit { rest = [] }
        guard found else { return }
        store()
        arrived()
    }

    // MARK: - A line

    /// Whether the line is a login by a certificate of the fleet, which then is kept.
    ///
    /// A cut line does not say by whose certificate: it is kept, since cutting it is what a thief would want.
    private func take(_ line: [UInt8], at time: UTCTime) -> Bool {
        guard let login = SSHLogLine(line), login.authority.map({ authorities.contains($0) }) ?? true else {
            return false
        }
        let isKept = record.add(
            SSHReport.Login(
                serial: Int64(clamping: login.serial),
                keyID: login.keyID,
                user: login.user,
                address: login.address,
                time: time
            )
        )
        if !isKept { logger.warning("too many logins wait to be reported; the oldest is lost") }
        return true
    }

    private func store() {
        do throws(SystemError) {
            try StateFile.store(record.json, path)
        } catch {
            logger.warning("logins cannot be kept", metadata: ["reason": "\(error)"])
        }
    }
}
