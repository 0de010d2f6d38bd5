import Glibc
import MusterClient
import MusterModel
import MusterTestSupport

/// A service and a fleet on loopback for one figure, made with the programs that were just built.
struct BenchFleet {
    private let folder: String
    private let binaries: String
    private let service: Child
    /// The service's address, `http://127.0.0.1:PORT`.
    let address: String
    /// Its port.
    let port: Int
    /// Its process.
    var process: pid_t { service.pid }

    /// Starts `musterd` in `folder` and makes a fleet with one operator.
    init(folder: String, binaries: String) async throws {
        self.folder = folder
        self.binaries = binaries
        let state = folder + "/service"
        service = try Child(
            [binaries + "/musterd", "serve", "--state-dir", state, "--listen", "127.0.0.1:0"],
            output: folder + "/musterd.log"
        )
        do {
            let address = try await Self.waitForFile(state + "/address").split(separator: "\n").first.map(String.init)
            guard let address, let port = Int(address.split(separator: ":").last ?? "") else {
                throw Child.Failure.timeout("musterd's address")
            }
            self.port = port
            self.address = "http://127.0.0.1:\(port)"
            _ = try await Self.waitForFile(state + "/setup-token")
            try Self.write("bench passphrase\n", folder + "/passphrase")
            _ = try Child.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder + "/operator"])
            try muster([
                "fleet", "init", "--service", self.address, "--setup-token-file", state + "/setup-token", "--operator",
                "ada", "--operator-key", folder + "/operator.pub", "--passphrase-file", folder + "/passphrase",
            ])
        } catch {
            service.stop()
            throw error
        }
    }

    /// Ends the service.
    func stop() {
        service.stop()
    }

    /// Runs `muster`; its output goes to a file whose path is returned.
    @discardableResult
    func muster(_ arguments: [String]) throws -> String {
        let output = folder + "/muster.txt"
        unlink(output)
        do {
            _ = try Child.run(
                [binaries + "/muster"] + arguments,
                environment: ["MUSTER_CONFIG_DIR": folder + "/operator-config"],
                output: output
            )
        } catch {
            print((try? Child.read(output)) ?? "")
            throw error
        }
        return output
    }

    /// A token that so many nodes may use.
    func token(uses: Int) throws -> EnrollmentToken {
        let text = try Child.read(try muster(["enroll", "token", "--tag", "bench", "--uses", String(uses)]))
        for word in text.split(whereSeparator: { $0 == " " || $0 == "\n" }) where word.hasPrefix("muster1.") {
            if let token = EnrollmentToken(line: String(word)) { return token }
        }
        throw Child.Failure.timeout("a token in: \(text)")
    }

    /// Writes a small file that only its owner may read.
    static func write(_ text: String, _ path: String) throws {
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw Child.Failure.spawn(path, String(cString: strerror(errno))) }
        _ = Array(text.utf8).withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
        close(file)
    }

    private static func waitForFile(_ path: String) async throws -> String {
        for _ in 0..<300 {
            if let text = try? Child.read(path), !text.isEmpty { return text }
            try await Task.sleep(for: .milliseconds(100))
        }
        throw Child.Failure.timeout(path)
    }
}
