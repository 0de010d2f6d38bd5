import ByteCoding
import CanonicalJSON
import MusterModel
import MusterPolicy
import OpenSSHFormats

/// A certificate that an operator may have: a verified statement, and what the policy grants for it.
public struct UserCertificateOrder: Sendable {
    /// Where the request comes from.
    public struct Origin: Hashable, Sendable {
        /// The tailnet's name of the node, for the key ID.
        public var name: String
        /// Its tailnet addresses: the certificate is good from there only.
        public var addresses: [String] {
            didSet { binding = Self.binding(addresses) }
        }
        /// When its key in the tailnet expires; nil where it does not.
        public var keyExpires: UTCTime?
        /// The addresses as a certificate names them, made once for all certificates of this origin.
        fileprivate private(set) var binding: Result<SSHCertificateOption, CertificateRefusal>

        /// An origin of these parts.
        public init(name: String, addresses: [String], keyExpires: UTCTime?) {
            self.name = name
            self.addresses = addresses
            self.keyExpires = keyExpires
            binding = Self.binding(addresses)
        }

        private static func binding(_ addresses: [String]) -> Result<SSHCertificateOption, CertificateRefusal> {
            var blocks: [AddressBlock] = []
            for text in addresses {
                guard let block = AddressBlock(text) else {
                    let reason = "'\(text.prefix(80))' is no address to bind the certificate to"
                    return .failure(CertificateRefusal(.noAddress, reason))
                }
                blocks.append(block)
            }
            guard !blocks.isEmpty else {
                let reason = "nobody could say from which addresses the certificate is used"
                return .failure(CertificateRefusal(.noAddress, reason))
            }
            return .success(.value(SSHCertificateOption.sourceAddress, AddressBlock.sourceAddress(blocks)))
        }
    }

    /// What ends a certificate's validity.
    public enum Limit: String, Hashable, Sendable, CaseIterable {
        /// More was not asked for.
        case asked
        /// The rule grants no more.
        case rule
        /// A key that signed the statement expires: nodes would refuse the statement from then on.
        case operatorKey = "operator-key"
        /// The key in the tailnet of the node that asks expires.
        case nodeKey = "node-key"
        /// The statement expires.
        case statement
    }

    /// The statement with its signatures, verified by the caller.
    public let statement: SignedStatement
    /// The same as JSON text, which goes into the certificate.
    public let envelope: [UInt8]
    /// What the policy grants: `FleetPolicy.loginGrants`, or for a run the one line that it is.
    public var grant: LoginGrant
    /// When the keys expire whose signatures count; at least the requester's.
    public var keyExpiries: [UTCTime]
    /// Where the request comes from.
    public var origin: Origin
    /// Versions of the sshd that it is for, as far as they are known.
    public var targets: [OpenSSHVersion]

    /// An order of these parts.
    ///
    /// `envelope` is for callers who have the JSON text of `statement` at hand, which saves half of the work.
    public init(
        statement: SignedStatement,
        envelope: [UInt8]? = nil,
        grant: LoginGrant,
        keyExpiries: [UTCTime],
        origin: Origin,
        targets: [OpenSSHVersion] = []
    ) {
        self.statement = statement
        self.envelope = envelope ?? statement.json.canonicalBytes
        self.grant = grant
        self.keyExpiries = keyExpiries
        self.origin = origin
        self.targets = targets
    }

    /// Until when a certificate made at `time` is good, and what ends it.
    public func end(at time: UTCTime) throws(CertificateRefusal) -> (end: UTCTime, limit: Limit) {
        let wanted = try wanted
        var (end, limit) = (time.wholeSeconds.adding(seconds: wanted.seconds), Limit.asked)
        // Of equal ends the first counts.
        func consider(_ other: UTCTime, _ reason: Limit) {
            if other.wholeSeconds < end { (end, limit) = (other.wholeSeconds, reason) }
        }
        consider(time.adding(seconds: grant.maximumSeconds), .rule)
        consider(statement.statement.expires, .statement)
        for expiry in keyExpiries { consider(expiry, .operatorKey) }
        if let keyExpires = origin.keyExpires { consider(keyExpires, .nodeKey) }
        guard !keyExpiries.isEmpty else {
            throw CertificateRefusal(.noTimeLeft, "no certificate can be made: no key's signature counts")
        }
        guard time < end else {
            throw CertificateRefusal(.noTimeLeft, "no certificate can be made: \(limit.words) is over")
        }
        return (end, limit)
    }

    /// The certificate, ready to be signed.
    public func certificate(_ stamp: CertificateStamp) throws(CertificateRefusal) -> UnsignedCertificate {
        let wanted = try wanted
        let (end, _) = try end(at: stamp.time)
        let after = stamp.time.seconds - SSHCertificateBody.backdating
        guard after >= 0, stamp.serial > 0 else {
            throw CertificateRefusal(.malformed, "a certificate has a serial from 1 on and begins after 1970")
        }
        let name = statement.statement.requester
        let keyID = CertificateKeyID.user(name, fromNode: origin.name, statement.statement.id)
        let criticalOptions = try criticalOptions()
        let content: SSHCertificateContent
        do throws(SSHFormatError) {
            content = try SSHCertificateContent(
                nonce: stamp.nonce,
                publicKey: wanted.publicKey,
                serial: stamp.serial,
                kind: .user,
                keyID: keyID.description,
                principals: [wanted.account.text],
                validAfter: UInt64(after),
                validBefore: UInt64(end.seconds),
                criticalOptions: criticalOptions,
                extensions: extensions,
                authority: stamp.authority
            )
        } catch {
            throw CertificateRefusal(.malformed, error.description)
        }
        try CertificateCompatibility.check(content, targets)
        return UnsignedCertificate(content)
    }

    /// What the statement asks for, whatever its type.
    private struct Wanted {
        let publicKey: SSHPublicKey
        let account: AccountName
        let seconds: Int64
    }

    private var wanted: Wanted {
        get throws(CertificateRefusal) {
            switch statement.statement.body {
            case .sshCertificate(let body):
                return Wanted(publicKey: body.publicKey, account: body.user, seconds: body.seconds)
            case .run(let body):
                guard let ssh = body.ssh else {
                    throw CertificateRefusal(.malformed, "run \(statement.statement.id) is for agents, not over SSH")
                }
                return Wanted(publicKey: ssh.publicKey, account: body.definition.user, seconds: ssh.seconds)
            default:
                let type = statement.statement.type.rawValue
                throw CertificateRefusal(.malformed, "a statement of type '\(type)' asks for no certificate")
            }
        }
    }

    private func criticalOptions() throws(CertificateRefusal) -> [SSHCertificateOption] {
        let addresses = try origin.binding.get()
        guard let command = grant.forceCommand else { return [addresses] }
        return [.value(SSHCertificateOption.forceCommand, command), addresses]
    }

    /// In the order of their names: `statement@muster` follows all the `permit-` ones.
    private var extensions: [SSHCertificateOption] {
        var options: [SSHCertificateOption] = []
        options.reserveCapacity(grant.extensions.count + 1)
        for name in grant.extensions { options.append(.flag(name)) }
        options.append(.value(SSHCertificateBody.statementExtension, envelope))
        return options
    }
}

extension UserCertificateOrder.Limit {
    /// What it is, in words.
    public var words: String {
        switch self {
        case .asked: "the time that was asked for"
        case .rule: "the time that the rule grants"
        case .operatorKey: "the time of a key that signed the statement"
        case .nodeKey: "the tailnet key of the node that asks"
        case .statement: "the statement"
        }
    }
}
