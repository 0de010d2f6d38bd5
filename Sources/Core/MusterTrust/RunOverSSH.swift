import ByteCoding
import CanonicalJSON
import MusterModel
import MusterPolicy

/// A run that its requester carries out over SSH: what a certificate for it may say, by the statement alone.
///
/// Whether it is allowed, and where, is for the policy to say; here the service and the requester see what nodes will hold
/// the certificate against.
public struct RunOverSSH: Hashable, Sendable {
    /// What the statement asks for.
    public let body: RunBody
    /// The key to certify, and for how long.
    public let ssh: RunBody.OverSSH
    /// The account to log in as.
    public let account: AccountName
    /// The command that the certificate forces, exactly.
    public let line: String

    /// Reads it out of a statement; refuses one that runs nothing over SSH, or not yet, or by another command than the
    /// policy's.
    public init(_ statement: Statement, policy: FleetPolicy, time: UTCTime) throws(TrustRefusal) {
        guard case .run(let body) = statement.body else {
            throw TrustRefusal(.otherType, "a statement of type '\(statement.type.rawValue)' runs nothing")
        }
        let what = "statement \(statement.id)"
        guard let ssh = body.ssh else {
            throw TrustRefusal(.overSSH, "\(what) is for agents to run, and opens no door")
        }
        if let start = body.start(after: time) {
            throw TrustRefusal(.tooEarly, "\(what) may not run before \(start); the time is \(time.wholeSeconds)")
        }
        guard let line = try body.command(under: policy).shellLine(run: statement.id) else {
            throw TrustRefusal(
                .argumentNotAllowed,
                "command '\(body.command)' takes secrets, or values that fit no line: agents run it, nobody over SSH"
            )
        }
        self.body = body
        self.ssh = ssh
        account = body.definition.user
        self.line = line
    }
}

extension RunBody {
    /// When it may begin, where that is after `time`.
    func start(after time: UTCTime) -> UTCTime? {
        guard let start = notBefore, time < start else { return nil }
        return start
    }

    /// What runs, by the command as everybody signed it; refused where the policy has another by now.
    public func command(under policy: FleetPolicy) throws(TrustRefusal) -> ResolvedCommand {
        guard let current = policy.commands[command] else {
            throw TrustRefusal(.commandUnknown, "the policy has no command '\(command)'")
        }
        guard current.isSame(as: definition) else {
            throw TrustRefusal(
                .definitionChanged,
                "command '\(command)' is another in the policy than the one that was signed: ask anew"
            )
        }
        do throws(CommandProblem) {
            return try resolve()
        } catch {
            throw TrustRefusal(.argumentNotAllowed, "command '\(command)' cannot be put together: \(error)")
        }
    }
}
