import Glibc
import MusterSystem

extension MeshFixture {
    /// Why no mesh can be made on this machine, for the tests that are skipped then; nil where one can.
    ///
    /// Found out by doing what the fixture does: not by guessing from the name of the system or of a container.
    public static let whyImpossible: String? = find()

    private static func find() -> String? {
        guard geteuid() == 0 else { return "network namespaces need root" }
        for program in programs where access(program, X_OK) != 0 { return "\(program) is not installed" }
        let device = open("/dev/net/tun", O_RDWR | O_CLOEXEC)
        guard device >= 0 else { return "/dev/net/tun cannot be opened: \(SystemError("open", "it", errno: errno))" }
        close(device)
        return whyNoNamespace()
    }

    private static let programs = [
        "/usr/bin/unshare", "/usr/bin/nsenter", "/usr/sbin/ip", "/usr/bin/wg", "/usr/bin/wireguard-go",
        "/usr/bin/tcpdump", "/usr/sbin/sshd", "/usr/bin/ssh", "/bin/bash",
    ]

    private static func whyNoNamespace() -> String? {
        guard let folder = try? TemporaryFolder() else { return "no temporary folder can be made" }
        let script = "ip link add name bridge0 type bridge && ip link add one type veth peer name two"
        let arguments = ["--net", "/bin/sh", "-c", script]
        guard
            let program = try? RunningProgram(
                "/usr/bin/unshare",
                arguments,
                environment: Command.plainEnvironment,
                log: folder.file("log")
            )
        else { return "/usr/bin/unshare cannot be started" }
        var status: Int32 = 0
        waitpid(program.pid, &status, 0)
        return status == 0 ? nil : "no network namespace can be made: \(program.output)"
    }
}
