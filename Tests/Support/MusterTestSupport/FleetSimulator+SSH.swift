import ByteCoding
import CanonicalJSON
import MusterModel
import OpenSSHFormats
import SignatureVerification

extension FleetSimulator {
    /// The service's key that signs user certificates: what a thief of the CA has.
    public static let userAuthority = TestKey("ssh-user-ca")
    /// The service's key that signs host certificates.
    public static let hostAuthority = TestKey("ssh-host-ca")

    /// Gives the fleet an SSH side: these authorities, of which the first of each kind signs.
    public mutating func trustSSH(
        users: [TestKey] = [userAuthority],
        hosts: [TestKey] = [hostAuthority],
        expires: UTCTime? = nil
    ) throws {
        let since = time.adding(seconds: -86400)
        func authorities(_ keys: [TestKey]) throws -> [SSHTrust.Authority] {
            try keys.enumerated().map { index, key in
                SSHTrust.Authority(
                    publicKey: try key.ssh,
                    phase: index == 0 ? .signing : .announced,
                    since: since,
                    expires: expires ?? time.adding(seconds: 365 * 86400)
                )
            }
        }
        sshTrust = try SSHTrust(
            version: (sshTrust?.version ?? 0) + 1,
            userAuthorities: try authorities(users),
            hostAuthorities: try authorities(hosts)
        )
    }

    /// Takes away every rule that lets somebody log in.
    public mutating func allowNoLogins() throws {
        guard case .object(var policy) = policyDocument, case .array(let rules)? = policy["rules"] else {
            throw Failure.impossible
        }
        policy["rules"] = .array(
            rules.filter { rule in
                guard case .object(let members) = rule, case .array(let actions)? = members["allow"] else {
                    return true
                }
                return !actions.contains("ssh-certificate")
            }
        )
        policyDocument = .object(policy)
    }

    /// Adds a rule to the policy.
    public mutating func allow(_ rule: JSONValue) throws {
        guard case .object(var policy) = policyDocument, case .array(let rules)? = policy["rules"] else {
            throw Failure.impossible
        }
        policy["rules"] = .array(rules + [rule])
        policyDocument = .object(policy)
    }

    /// Publishes another policy, with what belongs to it.
    public mutating func publishPolicy() throws {
        if case .object(var policy) = policyDocument {
            policy["version"] = .integer(policyVersion + 1)
            policyDocument = .object(policy)
        }
        policyVersion += 1
        snapshotVersion += 1
        timestampVersion += 1
        try publish()
    }

    /// Revokes these serials of these authorities, in place of what was revoked before, and publishes the list.
    public mutating func revoke(serials: [UInt64], of authorities: [TestKey] = [userAuthority]) throws {
        var revocations = SSHRevocations()
        for key in authorities {
            revocations.certificates[try key.ssh] = SSHRevocations.Certificates(serials: SerialSet(serials: serials))
        }
        revocationsVersion += 1
        revocationList = try revocations.list(version: UInt64(revocationsVersion), date: time).bytes
        snapshotVersion += 1
        timestampVersion += 1
        try publish()
    }
}

/// A certificate to be made by hand: every part can be as no honest service would have it.
public struct CertificateDraft: Sendable {
    /// The key that it is about.
    public var publicKey: SSHPublicKey
    /// Its serial.
    public var serial: UInt64 = 1
    /// Whom it is for.
    public var kind = SSHCertificateContent.Kind.user
    /// What it calls itself.
    public var keyID = "test"
    /// Accounts or names.
    public var principals: [String]
    /// When it begins.
    public var validAfter: UTCTime
    /// When it is over.
    public var validBefore: UTCTime
    /// From where it may be used; nil for no such option.
    public var sourceAddress: String? = "127.0.0.1/32"
    /// The only command; nil for any.
    public var forceCommand: String?
    /// Further critical options.
    public var criticalOptions: [SSHCertificateOption] = []
    /// What a session gets.
    public var permissions = ["permit-pty"]
    /// The text in the extension that carries the operator's statement; nil for none.
    public var statement: [UInt8]?

    /// A user certificate from a minute ago, for ten minutes.
    public init(_ publicKey: SSHPublicKey, principals: [String], time: UTCTime) {
        self.publicKey = publicKey
        self.principals = principals
        validAfter = time.adding(seconds: -60)
        validBefore = time.adding(seconds: 540)
    }

    /// The certificate, signed by `authority`.
    public func signed(by authority: TestKey) throws -> SSHCertificate {
        var critical = criticalOptions
        if let forceCommand { critical.append(.value(SSHCertificateOption.forceCommand, forceCommand)) }
        if let sourceAddress { critical.append(.value(SSHCertificateOption.sourceAddress, sourceAddress)) }
        var extensions = permissions.map { SSHCertificateOption.flag($0) }
        if let statement { extensions.append(.value(SSHCertificateBody.statementExtension, statement)) }
        func sorted(_ options: [SSHCertificateOption]) -> [SSHCertificateOption] {
            options.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        }
        let content = try SSHCertificateContent(
            nonce: Array(Digest.sha256(Array("\(serial) \(keyID)".utf8))),
            publicKey: publicKey,
            serial: serial,
            kind: kind,
            keyID: keyID,
            principals: principals,
            validAfter: UInt64(validAfter.seconds),
            validBefore: UInt64(validBefore.seconds),
            criticalOptions: sorted(critical),
            extensions: sorted(extensions),
            authority: try authority.ssh
        )
        let bytes = content.signedBytes
        guard let signature = SSHKeySignature(algorithm: .ed25519, signature: authority.sign(bytes)),
            let certificate = SSHCertificate(content, signedBytes: bytes, signature: signature)
        else { throw FleetSimulator.Failure.impossible }
        return certificate
    }
}

extension TestKey {
    /// The private key as `ssh -i` reads it.
    public var privateKeyFile: [UInt8] {
        get throws {
            let key = try SSHPrivateKey(seed: seed, publicKey: publicKey)
            return try SSHPrivateKeyFile(key: key, comment: name, check: 0x6D75_7374).text
        }
    }
}
