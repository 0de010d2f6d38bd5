import ByteCoding
import CanonicalJSON

/// A statement with the signatures it has so far: `{"signed": {…}, "signatures": ["<base64 SSHSIG blob>", …]}`.
///
/// The object is kept as it was received, members unknown to this program included: `signedBytes` are the canonical bytes
/// of that object, so a signature over anything else does not fit.
public struct SignedStatement: Hashable, Sendable {
    /// Most bytes of a signed statement as JSON text.
    public static let byteLimit = 2_000_000
    /// Most signatures on one statement.
    public static let signatureLimit = 64
    /// Most bytes of one SSHSIG blob: an RSA key and signature of 16,384 bits fit.
    public static let signatureByteLimit = 8192

    /// What is asked for.
    public let statement: Statement
    /// The object that was signed, as received.
    public let signed: JSONValue
    /// SSHSIG blobs, none verified yet.
    public var signatures: [[UInt8]]

    /// A statement that nobody has signed yet.
    public init(_ statement: Statement, signatures: [[UInt8]] = []) {
        self.statement = statement
        self.signed = statement.json
        self.signatures = signatures
    }

    /// Reads a signed statement; its signatures still have to be verified.
    public init(_ fields: JSONFields) throws(JSONError) {
        let signedFields = try fields.fields("signed")
        statement = try Statement(signedFields)
        signed = .object(signedFields.object)
        let texts = try fields.strings(
            "signatures",
            limit: Self.signatureLimit,
            each: (Self.signatureByteLimit + 2) / 3 * 4
        )
        signatures = []
        for (index, text) in texts.enumerated() {
            guard let blob = Base64.decode(text) else { throw fields.error("signatures[\(index)]", "is not base64") }
            signatures.append(blob)
        }
    }

    /// The bytes that every signer signs, in the namespace `<type>@muster`.
    public var signedBytes: [UInt8] { signed.canonicalBytes }

    /// The envelope as it is sent.
    public var json: JSONValue {
        ["signed": signed, "signatures": .array(signatures.map { .string(Base64.encode($0)) })]
    }
}
