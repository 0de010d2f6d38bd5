import ByteCoding

/// Why something in one of OpenSSH's formats was refused.
public struct SSHFormatError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What was being read, such as `SSH public key`.
    public let subject: String
    /// What was wrong with it, as one lower-case clause.
    public let reason: String

    /// An error about `subject`.
    public init(_ subject: String, _ reason: String) {
        self.subject = subject
        self.reason = reason
    }

    /// What was wrong with what.
    public var description: String { "\(subject): \(reason)" }

    /// Runs `read` over all of `bytes`, and makes what the reader complains about an error about `subject`.
    static func reading<Value>(
        _ subject: String,
        _ bytes: [UInt8],
        limit: Int,
        _ read: (inout ByteReader) throws -> Value
    ) throws(SSHFormatError) -> Value {
        guard bytes.count <= limit else {
            throw SSHFormatError(subject, "is \(bytes.count) bytes long, more than \(limit)")
        }
        do {
            var reader = ByteReader(bytes)
            let value = try read(&reader)
            try reader.end()
            return value
        } catch let error as SSHFormatError {
            throw error
        } catch {
            throw SSHFormatError(subject, "\(error)")
        }
    }
}
