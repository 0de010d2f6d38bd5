import ByteCoding
import CanonicalJSON
import Glibc
import Logging
import MusterAPI
import MusterSystem
import MusterTestSupport
import Synchronization
import Testing

@testable import MusterAgent

/// Logins from a log to the service.
@Suite("following logins", .timeLimit(.minutes(60)))
struct SSHLoginsTests {
    private let fingerprint = "SHA256:KDTwWkMtK1ScMfIIYtJAIS+l8fUtR0PbYdNicBn4KoY"

    private func line(serial: Int, by authority: String? = nil) -> String {
        "Accepted publickey for root from ::1 port 40084 ssh2: ED25519-CERT SHA256:abc ID k (serial \(serial)) "
            + "CA ED25519 \(authority ?? fingerprint)"
    }

    private func logins(_ folder: TemporaryFolder, _ arrived: @escaping @Sendable () -> Void = {}) async -> SSHLogins {
        let logins = SSHLogins(
            path: folder.file("logins.json"),
            clock: .system,
            logger: Logger(label: "test"),
            arrived: arrived
        )
        await logins.know([fingerprint])
        return logins
    }

    /// Follows until so many logins wait.
    private func follow(_ logins: SSHLogins, _ place: SSHLogins.Place, until count: Int) async throws {
        let task = Task { await logins.follow(place) }
        for _ in 0..<6000 where await logins.waiting().logins.count < count {
            try await Task.sleep(for: .milliseconds(20))
        }
        task.cancel()
        await task.value
    }

    @Test(
        "what the journal tells is kept until the service has it, and asked for behind the last entry after a restart"
    )
    func journal() async throws {
        let folder = try TemporaryFolder()
        let entries = (1...3).map { number in
            "{\"__CURSOR\":\"c\(number)\",\"__REALTIME_TIMESTAMP\":\"1795408234000000\",\"MESSAGE\":\"\(line(serial: number))\"}"
        }
        try folder.write("entries", Array((entries.joined(separator: "\n") + "\n").utf8))
        let script = "#!/bin/sh\necho \"$@\" >> \(folder.path)/asked\ncat \(folder.path)/entries\nexec sleep 100\n"
        let program = try folder.write("journalctl", Array(script.utf8))
        chmod(program, 0o755)
        let arrivals = Atomic<Int>(0)
        let first = await logins(folder) { arrivals.wrappingAdd(1, ordering: .relaxed) }
        try await follow(first, .journal(program: program), until: 3)
        let (waiting, through) = await first.waiting()
        #expect(waiting.map(\.serial) == [1, 2, 3])
        #expect(waiting.first?.time.milliseconds == 1_795_408_234_000)
        #expect(arrivals.load(ordering: .relaxed) >= 1)
        // A report with the first two is delivered, then the agent starts anew.
        await first.delivered(through: through - 1)
        let second = await logins(folder)
        #expect(await second.waiting().logins.map(\.serial) == [3])
        try await follow(second, .journal(program: program), until: 4)
        let asked = String(decoding: try folder.read("asked") ?? [], as: UTF8.self).split(separator: "\n")
        #expect(asked.first?.hasSuffix("-n 0") == true)
        #expect(asked.last?.hasSuffix("--after-cursor=c3") == true)
    }

    /// Behaves as journalctl of systemd 252 was seen to: with `-f` no more than ten of the entries that there are already,
    /// unless `--no-tail` is given; `-n 0` none of them; then it waits.
    private static let journalctl = """
        #!/bin/sh
        after=0 lines=10 follow=no
        for word; do
            case "$word" in
            -f) follow=yes ;;
            --no-tail) lines=1000000 ;;
            --after-cursor=c*) after=${word#--after-cursor=c} ;;
            -n) lines= ;;
            [0-9]*) [ -n "$lines" ] || lines=$word ;;
            esac
        done
        [ $follow = yes ] || exit 1
        tail -n +$((after + 1)) "$(dirname "$0")/entries" | head -n "$lines"
        exec sleep 100

        """

    @Test("every login of the time in which no agent ran is told, however many there were")
    func longAbsence() async throws {
        let folder = try TemporaryFolder()
        let entries = (1...40).map { number in
            "{\"__CURSOR\":\"c\(number)\",\"__REALTIME_TIMESTAMP\":\"1795408234000000\",\"MESSAGE\":\"\(line(serial: number))\"}"
        }
        try folder.write("entries", Array((entries.joined(separator: "\n") + "\n").utf8))
        let program = try folder.write("journalctl", Array(Self.journalctl.utf8))
        chmod(program, 0o755)
        var record = SSHLogRecord()
        record.cursor = "c5"
        try folder.write("logins.json", record.json.jsonBytes)
        let logins = await logins(folder)
        try await follow(logins, .journal(program: program), until: 35)
        #expect(await logins.waiting().logins.map(\.serial) == Array(6...40))
    }

    @Test("logins by certificates of other CAs are nobody's business; a cut line is told")
    func otherAuthorities() async throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("log", [])
        let logins = await logins(folder)
        let task = Task { await logins.follow(.file(path)) }
        try await Task.sleep(for: .milliseconds(300))
        let other = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        let cut = String(line(serial: 9).prefix(120))
        let text = [line(serial: 7, by: other), "noise", line(serial: 8), cut].joined(separator: "\n") + "\n"
        let file = try OpenFile(path, flags: O_WRONLY | O_APPEND)
        try file.write(Array(text.utf8))
        for _ in 0..<500 where await logins.waiting().logins.count < 2 {
            try await Task.sleep(for: .milliseconds(20))
        }
        task.cancel()
        await task.value
        #expect(await logins.waiting().logins.map(\.serial) == [8, 0])
    }

    @Test("a report carries so many logins, and the next one those behind them")
    func manyLogins() async throws {
        var record = SSHLogRecord()
        for number in 1...(SSHReport.loginLimit + 10) {
            let login = SSHReport.Login(
                serial: Int64(number),
                keyID: "k",
                user: "root",
                address: "::1",
                time: WallClock.now()
            )
            _ = record.add(login)
        }
        let folder = try TemporaryFolder()
        try folder.write("logins.json", record.json.jsonBytes)
        let logins = await logins(folder)
        let (first, through) = await logins.waiting()
        #expect(first.count == SSHReport.loginLimit)
        await logins.delivered(through: through)
        #expect(await logins.waiting().logins.count == 10)
    }

    @Test("where sshd logs is what the owner says, and never a guess where nothing is")
    func places() {
        var options = SSHOptions()
        options.log = "none"
        #expect(SSHLogins.Place(options) == nil)
        options.log = "/var/log/other"
        #expect(SSHLogins.Place(options) == .file("/var/log/other"))
    }

    @Test("a node with a package root of its own leaves the machine's sshd alone unless its owner says so")
    func ownership() {
        var configuration = AgentConfiguration()
        #expect(configuration.managesSSH)
        configuration.root = "/srv/node"
        #expect(!configuration.managesSSH)
        configuration.ssh.isOn = true
        #expect(configuration.managesSSH)
        configuration.root = "/"
        configuration.ssh.isOn = false
        #expect(!configuration.managesSSH)
        #expect(configuration.ssh.dropInPath == "/etc/ssh/sshd_config.d/50-muster.conf")
    }
}
