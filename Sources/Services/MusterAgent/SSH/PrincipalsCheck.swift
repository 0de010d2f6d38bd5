import ByteCoding
import MusterModel
import MusterPolicy
import MusterSystem
import MusterTrust
import OpenSSHFormats

/// What `muster-agent ssh-principals` does: sshd asks it, twice a login, whether a certificate lets its holder in.
///
/// No network, no state of its own, nothing but one file that the agent wrote; whatever goes wrong lets nobody in.
struct PrincipalsCheck: Sendable {
    /// What sshd is told, and what the log is told.
    struct Answer: Hashable, Sendable {
        /// The account, where the login may go on; sshd reads it from standard output.
        let principal: String?
        /// The decision and its reason, on one line.
        let text: String
    }

    /// Most characters of the certificate as sshd hands it over.
    static let argumentLimit = (SSHCertificate.byteLimit + 2) / 3 * 4

    /// Path of `login.json`.
    let file: String
    /// The account: sshd's `%u`.
    let user: String
    /// The certificate in base64: sshd's `%k`.
    let certificate: String

    /// Decides at `now`, by the machine's clock.
    func answer(now: UTCTime) -> Answer {
        guard certificate.utf8.count <= Self.argumentLimit, let bytes = Base64.decode(certificate) else {
            return refusal("what sshd hands over is no certificate in base64")
        }
        let login: LoginFile
        do throws(SystemError) {
            login = try LoginFile.load(file)
        } catch {
            return refusal("\(error)")
        }
        // A clock that was set back brings nothing back to life.
        let time = max(now, login.time)
        guard time < login.expires else {
            return refusal("the fleet's policy expired at \(login.expires); the time is \(time.wholeSeconds)")
        }
        let authorities = login.authorities.filter { time < $0.expires }.compactMap {
            try? SSHPublicKey(line: $0.publicKey)
        }
        let verdict = SSHLoginVerifier.verify(
            SSHLoginVerifier.Login(
                certificate: bytes,
                user: user,
                node: NodeFacts(id: login.node, tags: login.tags),
                authorities: Set(authorities)
            ),
            policy: login.policy,
            fleet: login.fleet,
            time: time
        )
        return Answer(principal: verdict.principal?.text, text: verdict.description)
    }

    private func refusal(_ reason: String) -> Answer {
        Answer(principal: nil, text: "login as \(user.bounded(64)) refused: \(reason)")
    }
}
