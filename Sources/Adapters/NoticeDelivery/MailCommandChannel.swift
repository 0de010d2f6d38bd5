import ByteCoding
import Glibc
import MusterIdentity
import MusterSystem
import SignatureVerification

/// Gives notices to a program as a mail message (`NoticeMail`) on standard input, as `sendmail` takes them.
///
/// The program runs without a shell, with a plain environment, and must exit with 0 in time.
public struct MailCommandChannel: NoticeChannel {
    /// How long the program may take.
    public static let timeout = Duration.seconds(60)

    private let command: [String]
    private let recipients: [String]
    private let timeout: Duration

    /// A program with its arguments; `recipients` stand in the message's `To:`.
    public init(
        _ command: [String],
        recipients: [String] = [],
        timeout: Duration = Self.timeout
    ) throws(NoticeDeliveryError) {
        guard let program = command.first, program.hasPrefix("/") else {
            throw NoticeDeliveryError("a mail command begins with an absolute path, no shell is involved: \(command)")
        }
        guard access(program, X_OK) == 0 else { throw NoticeDeliveryError("mail command \(program) cannot be run") }
        self.command = command
        self.recipients = recipients
        self.timeout = timeout
    }

    /// `mail-` and what tells one command from another.
    public var id: String {
        let text = (command + recipients).map { "\($0.utf8.count):\($0)" }.joined()
        return "mail-" + Hex.encode(Digest.sha256(Array(text.utf8)).prefix(8))
    }

    /// `mail command /usr/sbin/sendmail`.
    public var name: String { "mail command \(command.first ?? "")" }

    /// The mail message.
    public func bytes(_ message: NoticeMessage) -> [UInt8] { NoticeMail(message, recipients: recipients).bytes }

    /// Runs the program.
    public func deliver(_ bytes: [UInt8], id: String) async throws(NoticeDeliveryError) {
        let result: CommandResult
        do {
            result = try await Command(command[0], Array(command.dropFirst()), input: bytes).run(
                timeout: timeout,
                grace: .seconds(1),
                outputLimit: 4096
            )
        } catch {
            throw NoticeDeliveryError("\(name): \(error)")
        }
        guard !result.succeeded else { return }
        let said = result.errorText.split(whereSeparator: \.isNewline).last.map { ": \($0.prefix(200))" } ?? ""
        throw NoticeDeliveryError("\(name) \(result.endingText)\(said)")
    }
}
