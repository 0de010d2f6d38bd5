import MusterModel

/// What a certificate is called, and sshd logs: who asked for it, from which node, for which statement.
///
/// ```
/// ada/laptop.example.ts.net/3f0c…           a user's: operator, node that asked, statement
/// host/web-1                                a host's
/// ```
public enum CertificateKeyID: Hashable, Sendable, CustomStringConvertible {
    case user(OperatorName, from: String, statement: StatementID)
    case host(NodeID)

    /// A user's, of a node whose name may hold anything: what could be mistaken becomes `-`.
    public static func user(_ name: OperatorName, fromNode node: String, _ statement: StatementID) -> CertificateKeyID {
        if !node.isEmpty, node.utf8.count <= nameLimit, node.utf8.allSatisfy(isNameByte) {
            return .user(name, from: node, statement: statement)
        }
        let plain = node.utf8.prefix(nameLimit).map { isNameByte($0) ? $0 : UInt8(ascii: "-") }
        let text = plain.isEmpty ? "-" : String(decoding: plain, as: UTF8.self)
        return .user(name, from: text, statement: statement)
    }

    /// Parses a key ID; nil for one that is not ours.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        switch parts.count {
        case 2:
            guard parts[0] == "host", let node = NodeID(String(parts[1])) else { return nil }
            self = .host(node)
        case 3:
            guard let name = OperatorName(String(parts[0])), let statement = StatementID(String(parts[2])),
                (1...Self.nameLimit).contains(parts[1].utf8.count), parts[1].utf8.allSatisfy(Self.isNameByte)
            else { return nil }
            self = .user(name, from: String(parts[1]), statement: statement)
        default: return nil
        }
    }

    /// The text in the certificate.
    public var description: String {
        switch self {
        case .user(let name, let node, let statement):
            var text = ""
            text.reserveCapacity(name.text.utf8.count + node.utf8.count + statement.text.utf8.count + 2)
            text += name.text
            text += "/"
            text += node
            text += "/"
            text += statement.text
            return text
        case .host(let node): return "host/" + node.text
        }
    }

    private static let nameLimit = 128

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default:
            byte == UInt8(ascii: ".") || byte == UInt8(ascii: "_") || byte == UInt8(ascii: ":")
                || byte == UInt8(ascii: "-")
        }
    }
}
