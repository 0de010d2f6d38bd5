import ByteCoding
import MusterModel
import OpenSSHFormats

/// What a step of a rotation waits for, from what nodes have proved and what certificates are still good.
public struct RotationProof: Hashable, Sendable {
    /// A node with an SSH side.
    public struct Node: Hashable, Sendable {
        /// What people call it.
        public let name: String
        /// Since when it is not in contact; nil while it is.
        public let unreachableSince: UTCTime?
        /// Fingerprints of the user CAs that its sshd is proved to trust.
        public let userAuthorities: Set<String>
        /// Serials of the host certificates that its sshd shows.
        public let hostCertificates: Set<Int64>
        /// What it says is wrong; may be empty.
        public let problem: String

        /// A node.
        public init(
            name: String,
            unreachableSince: UTCTime?,
            userAuthorities: Set<String>,
            hostCertificates: Set<Int64>,
            problem: String
        ) {
            self.name = name
            self.unreachableSince = unreachableSince
            self.userAuthorities = userAuthorities
            self.hostCertificates = hostCertificates
            self.problem = problem
        }
    }

    /// A certificate that is good and not revoked.
    public struct Certificate: Hashable, Sendable {
        /// Its serial.
        public let serial: Int64
        /// Whom it is for.
        public let kind: SSHAuthorityKind
        /// The operator or node that has it, for people.
        public let holder: String
        /// The CA that signed it.
        public let authority: SSHPublicKey
        /// When it was issued.
        public let issued: UTCTime
        /// When it is over.
        public let validBefore: UTCTime

        /// A certificate.
        public init(
            serial: Int64,
            kind: SSHAuthorityKind,
            holder: String,
            authority: SSHPublicKey,
            issued: UTCTime,
            validBefore: UTCTime
        ) {
            self.serial = serial
            self.kind = kind
            self.holder = holder
            self.authority = authority
            self.issued = issued
            self.validBefore = validBefore
        }
    }

    /// The nodes with an SSH side.
    public let nodes: [Node]
    /// The certificates that are good now.
    public let certificates: [Certificate]
    /// When the document that is trusted now was published.
    ///
    /// A certificate from before may have come with the host CAs of another document.
    public let published: UTCTime

    /// What is known.
    public init(nodes: [Node], certificates: [Certificate], published: UTCTime) {
        self.nodes = nodes
        self.certificates = certificates
        self.published = published
    }

    /// What stands against a step, and what does not count against it.
    public struct Finding: Hashable, Sendable {
        /// What it waits for, one line each.
        public var waiting: [String] = []
        /// Nodes that are not waited for, one line each.
        public var unreachable: [String] = []
        /// How many nodes have proved what the step needs.
        public var proved = 0

        /// Nothing that stands against it.
        public init() {}
    }

    /// Why `authority`, which is announced, cannot sign yet.
    ///
    /// For users: nodes in contact whose sshd is not proved to trust it. For hosts: people with a certificate from before it
    /// was announced, whose clients may not know it yet; each certificate comes with the host CAs of its day.
    public func beforeSigning(_ kind: SSHAuthorityKind, _ authority: SSHTrust.Authority) -> Finding {
        switch kind {
        case .user:
            let fingerprint = authority.publicKey.fingerprint
            return overNodes("has not proved that its sshd trusts \(fingerprint)") {
                $0.userAuthorities.contains(fingerprint)
            }
        case .host:
            var finding = Finding()
            let known = max(published, authority.since)
            for certificate in certificates where certificate.kind == .user && certificate.issued <= known {
                finding.waiting.append(
                    "\(certificate.holder): certificate \(certificate.serial), from before the new host CA was announced, "
                        + "is good until \(certificate.validBefore.wholeSeconds)"
                )
            }
            return finding
        }
    }

    /// Why `authority`, which is retiring, cannot go yet.
    ///
    /// For users: certificates that it signed and that are still good. For hosts: nodes in contact that do not show a host
    /// certificate of another CA.
    public func beforeRetiring(_ kind: SSHAuthorityKind, _ authority: SSHTrust.Authority) -> Finding {
        switch kind {
        case .user:
            var finding = Finding()
            for certificate in certificates where certificate.authority == authority.publicKey {
                let end = certificate.validBefore.wholeSeconds
                finding.waiting.append("\(certificate.holder): certificate \(certificate.serial) is good until \(end)")
            }
            return finding
        case .host:
            let others = Set(
                certificates.filter { $0.kind == .host && $0.authority != authority.publicKey }.map(\.serial)
            )
            return overNodes("shows no host certificate of the new CA") {
                !$0.hostCertificates.isDisjoint(with: others)
            }
        }
    }

    /// Why `authority` cannot go yet, whether it retires or is taken back after it was announced.
    ///
    /// One that is taken back may have signed before: nobody who relies on that is to be locked out.
    public func beforeGoing(_ kind: SSHAuthorityKind, _ authority: SSHTrust.Authority) -> Finding {
        guard authority.phase == .announced, kind == .host else { return beforeRetiring(kind, authority) }
        let made = Set(certificates.filter { $0.authority == authority.publicKey }.map(\.serial))
        let others = Set(certificates.filter { $0.kind == .host }.map(\.serial)).subtracting(made)
        return overNodes("shows no host certificate but one of the CA that is to go") { node in
            node.hostCertificates.isDisjoint(with: made) || !node.hostCertificates.isDisjoint(with: others)
        }
    }

    private func overNodes(_ lack: String, _ hasProved: (Node) -> Bool) -> Finding {
        var finding = Finding()
        for node in nodes {
            if hasProved(node) {
                finding.proved += 1
            } else if let since = node.unreachableSince {
                finding.unreachable.append("\(node.name): not in contact since \(since.wholeSeconds)")
            } else {
                finding.waiting.append("\(node.name) \(lack)" + (node.problem.isEmpty ? "" : ": \(node.problem)"))
            }
        }
        return finding
    }
}
