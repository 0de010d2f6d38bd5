import Glibc
import MusterSystem
import MusterTestSupport
import Testing

@testable import MusterAgent

/// Reloading sshd by systemd, with a stand-in for `systemctl` that exits as its manual and systemd 252 have it.
@Suite("reloading sshd by systemd")
struct SSHDReloadTests {
    /// `active` names the units that are; `reload` is what a reload does.
    private func reload(active: [String], reload: String = "exit 0") async throws -> (SSHDReload.Outcome, [String]) {
        let folder = try TemporaryFolder()
        let script = """
            #!/bin/sh
            echo "$@" >> '\(folder.file("asked"))'
            case "$1 $2" in
            "--quiet is-active") case " \(active.joined(separator: " ")) " in *" $3 "*) exit 0 ;; *) exit 3 ;; esac ;;
            "reload "*) \(reload) ;;
            *) exit 1 ;;
            esac

            """
        let program = try folder.write("systemctl", script.utf8)
        chmod(program, 0o755)
        let outcome = await SSHDReload.bySystemd(program)
        let asked = String(decoding: try folder.read("asked") ?? [], as: UTF8.self).split(separator: "\n")
        return (outcome, asked.map(String.init))
    }

    @Test("Debian's unit is asked first, the other name after it; only one that is active is reloaded, once")
    func units() async throws {
        let debian = try await reload(active: ["ssh.service", "sshd.service"])
        #expect(debian.0 == .done)
        #expect(debian.1 == ["--quiet is-active ssh.service", "reload ssh.service"])
        let other = try await reload(active: ["sshd.service"])
        #expect(other.0 == .done)
        #expect(
            other.1 == ["--quiet is-active ssh.service", "--quiet is-active sshd.service", "reload sshd.service"]
        )
    }

    @Test("where no unit is active nothing is reloaded: sshd reads its configuration when it starts")
    func inactive() async throws {
        let none = try await reload(active: [])
        #expect(none.0 == .notRunning && !none.1.contains { $0.hasPrefix("reload") })
    }

    @Test("a reload that fails is a failure with systemd's own words")
    func fails() async throws {
        let failed = try await reload(
            active: ["ssh.service"],
            reload: "echo 'Job for ssh.service failed.' >&2; echo 'See \"systemctl status\" for details.' >&2; exit 1"
        )
        #expect(failed.0 == .failed("systemctl reload ssh.service exited with code 1: Job for ssh.service failed."))
        // It ended between the two questions.
        let gone = try await reload(
            active: ["ssh.service"],
            reload: "echo 'ssh.service is not active, cannot reload.' >&2; exit 1"
        )
        #expect(
            gone.0
                == .failed(
                    "systemctl reload ssh.service exited with code 1: ssh.service is not active, cannot reload."
                )
        )
    }

    @Test("a systemctl that cannot be run finds no unit")
    func missing() async {
        #expect(await SSHDReload.bySystemd("/no/such/systemctl") == .notRunning)
    }
}
