import ByteCoding
import MusterModel
import OpenSSHFormats

/// A certificate for a node's host key: its names and addresses, listed, so that clients need not be asked anything.
public struct HostCertificateOrder: Hashable, Sendable {
    /// How long a host certificate lives unless told otherwise, in seconds.
    public static let defaultLife: Int64 = 30 * 86400
    /// The longest that one may live, in seconds.
    public static let longestLife: Int64 = 90 * 86400

    /// The node.
    public var node: NodeID
    /// Its sshd's host key.
    public var hostKey: SSHPublicKey
    /// Its names, as clients call it: in the tailnet, short and whole.
    public var names: [String]
    /// Its addresses, as clients call it.
    public var addresses: [String]
    /// How long the certificate lives, in seconds.
    public var life: Int64
    /// The certificate ends here at the latest: the node's own key may expire before.
    public var notAfter: UTCTime?

    /// An order of these parts.
    public init(
        node: NodeID,
        hostKey: SSHPublicKey,
        names: [String],
        addresses: [String],
        life: Int64 = HostCertificateOrder.defaultLife,
        notAfter: UTCTime? = nil
    ) {
        self.node = node
        self.hostKey = hostKey
        self.names = names
        self.addresses = addresses
        self.life = life
        self.notAfter = notAfter
    }

    /// The certificate, ready to be signed.
    public func certificate(_ stamp: CertificateStamp) throws(CertificateRefusal) -> UnsignedCertificate {
        let longest = stamp.time.wholeSeconds.adding(seconds: min(life, Self.longestLife))
        let end = min(longest, notAfter?.wholeSeconds ?? longest)
        let after = stamp.time.seconds - SSHCertificateBody.backdating
        guard stamp.time < end else {
            throw CertificateRefusal(.noTimeLeft, "the host certificate of \(node) would be over at once")
        }
        guard after >= 0, stamp.serial > 0 else {
            throw CertificateRefusal(.malformed, "a certificate has a serial from 1 on and begins after 1970")
        }
        let principals = try principals
        let content: SSHCertificateContent
        do throws(SSHFormatError) {
            content = try SSHCertificateContent(
                nonce: stamp.nonce,
                publicKey: hostKey,
                serial: stamp.serial,
                kind: .host,
                keyID: CertificateKeyID.host(node).description,
                principals: principals,
                validAfter: UInt64(after),
                validBefore: UInt64(end.seconds),
                criticalOptions: [],
                extensions: [],
                authority: stamp.authority
            )
        } catch {
            throw CertificateRefusal(.malformed, error.description)
        }
        return UnsignedCertificate(content)
    }

    /// Whether a host certificate is to be renewed: at two thirds of its life, or when it is about other names or another key.
    public func isDue(_ current: SSHCertificateContent, at time: UTCTime) -> Bool {
        guard current.kind == .host, current.publicKey == hostKey, current.principals == (try? principals) else {
            return true
        }
        let begin = current.validAfter + UInt64(SSHCertificateBody.backdating)
        guard begin < current.validBefore, time.seconds >= 0 else { return true }
        return UInt64(time.seconds) >= begin + (current.validBefore - begin) / 3 * 2
    }

    /// Names in lower case without their last dot, then addresses as RFC 5952 writes them, each once.
    private var principals: [String] {
        get throws(CertificateRefusal) {
            var principals: [String] = []
            for name in names {
                let text = Self.plain(name)
                guard Self.isHostName(text) else {
                    throw CertificateRefusal(.noName, "'\(name.prefix(80))' is no host name; patterns are not either")
                }
                if !principals.contains(text) { principals.append(text) }
            }
            for address in addresses {
                guard let block = AddressBlock(address), block.prefix == block.bytes.count * 8 else {
                    throw CertificateRefusal(.noName, "'\(address.prefix(80))' is no address of a host")
                }
                if !principals.contains(block.address) { principals.append(block.address) }
            }
            guard !principals.isEmpty else {
                throw CertificateRefusal(.noName, "node \(node) has neither a name nor an address to certify")
            }
            return principals
        }
    }

    /// A name as it is certified: in lower case, without its last dot.
    ///
    /// Whoever compares names compares these: `db.` is certified as `db`.
    public static func plain(_ name: String) -> String {
        let name = name.lowercased()
        return name.hasSuffix(".") ? String(name.dropLast()) : name
    }

    private static func isHostName(_ text: String) -> Bool {
        guard (1...253).contains(text.utf8.count) else { return false }
        return text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).allSatisfy { label in
            (1...63).contains(label.count) && label.first != UInt8(ascii: "-")
                && label.allSatisfy {
                    switch $0 {
                    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                        UInt8(ascii: "-"),
                        UInt8(ascii: "_"):
                        true
                    default: false
                    }
                }
        }
    }
}
