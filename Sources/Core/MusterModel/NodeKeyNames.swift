import ByteCoding
import SignatureVerification

extension NodeID {
    /// The id of the node that joins with a key: `node-` and the first 8 bytes of the key's SHA-256 in hexadecimal digits.
    ///
    /// The node keeps it when its key is rotated. Whoever sees the key that a node joined with can tell that the id is its own.
    public init?(joiningWith key: [UInt8]) {
        self.init("node-" + Hex.encode(Array(Digest.sha256(key).prefix(8))))
    }

    /// Whether an id looks like one that is made of a key: every one that a service gives does.
    public static func isMadeOfKey(_ id: NodeID) -> Bool {
        id.text.hasPrefix("node-") && Hex.decode(String(id.text.dropFirst(5)))?.count == 8
    }
}

/// What a waiting node shows, and an operator approves: twelve characters such as `K7QD-42MX-9FGH`.
///
/// They stand for the node's key, so that nobody in between can have another key approved: 60 bits of a SHA-256, from which
/// no key can be searched that has the same.
public enum EnrollmentCode {
    /// 32 characters that people do not mix up.
    private static let alphabet = Array("ABCDEFGHJKLMNPQRSTUVWXYZ23456789".utf8)
    /// Set apart from other uses of the key's hash.
    private static let purpose = Array("muster enrollment code\0".utf8)

    /// The code of the node with a key.
    public static func text(of key: [UInt8]) -> String {
        let digest = Digest.sha256(purpose + key)
        let characters = digest.prefix(12).map { alphabet[Int($0) % alphabet.count] }
        return stride(from: 0, to: 12, by: 4).map { String(decoding: characters[$0..<$0 + 4], as: UTF8.self) }
            .joined(separator: "-")
    }

    /// Whether a text could be a code as it is written, in capital letters and with hyphens.
    public static func hasForm(_ text: String) -> Bool {
        text.utf8.count == 14
            && text.utf8.enumerated().allSatisfy { index, byte in
                index % 5 == 4 ? byte == UInt8(ascii: "-") : alphabet.contains(byte)
            }
    }

    /// Whether what somebody typed is the code of the node with a key; small letters and missing hyphens do no harm.
    public static func matches(_ typed: String, _ key: [UInt8]) -> Bool {
        plain(typed) == plain(text(of: key))
    }

    private static func plain(_ text: String) -> [UInt8] {
        text.uppercased().utf8.filter { $0 != UInt8(ascii: "-") }
    }
}
