import ByteCoding
import MusterModel
import OpenSSHFormats

/// What the service remembers of a certificate that it made.
public struct IssuedCertificate: Hashable, Sendable {
    /// Its serial.
    public let serial: UInt64
    /// The CA's key.
    public let authority: SSHPublicKey
    /// What it is called.
    public let keyID: String
    /// The operator who asked for it; nil for a host's.
    public let requester: OperatorName?
    /// The node that it is for (a host's), or that it was asked for from (a user's, where that node is in the fleet).
    public let node: NodeID?
    /// When it is over.
    public let validBefore: UTCTime

    /// A record of these parts.
    public init(
        serial: UInt64,
        authority: SSHPublicKey,
        keyID: String,
        requester: OperatorName?,
        node: NodeID?,
        validBefore: UTCTime
    ) {
        self.serial = serial
        self.authority = authority
        self.keyID = keyID
        self.requester = requester
        self.node = node
        self.validBefore = validBefore
    }
}

extension SSHRevocations {
    /// For how many seconds an expired certificate stays listed: clocks of nodes may be behind.
    public static let grace: Int64 = 86400

    /// Adds what a `revoke` statement names.
    ///
    /// `issued` are the certificates that it may mean; those whose time is over are left out, which keeps the list small.
    /// `authorities` are the CAs whose certificates a serial or key ID without a record is looked for under: a serial that was
    /// never issued is the mark of a stolen CA.
    public mutating func revoke(
        _ subject: RevokeBody.Subject,
        issued: [IssuedCertificate],
        authorities: [SSHPublicKey],
        at time: UTCTime
    ) {
        switch subject {
        case .serials(let serials): revoke(serials: serials, issued, authorities, time)
        case .keyID(let keyID):
            for authority in authorities {
                certificates[authority, default: Certificates()].keyIDs.insert(Array(keyID.utf8))
            }
        case .person(let name): revoke(issued.filter { $0.requester == name }, time)
        case .node(let node): revoke(issued.filter { $0.node == node }, time)
        case .publicKey(let key): keys.insert(key)
        }
    }

    /// Adds certificates that were issued, those whose time is over left out.
    public mutating func revoke(_ issued: some Sequence<IssuedCertificate>, _ time: UTCTime) {
        var serials: [SSHPublicKey: [UInt64]] = [:]
        for record in issued where time < record.validBefore.adding(seconds: Self.grace) {
            serials[record.authority, default: []].append(record.serial)
        }
        for (authority, list) in serials { add(list, authority) }
    }

    private mutating func revoke(
        serials: [UInt64],
        _ issued: [IssuedCertificate],
        _ authorities: [SSHPublicKey],
        _ time: UTCTime
    ) {
        let wanted = Set(serials)
        let known = issued.filter { wanted.contains($0.serial) }
        revoke(known, time)
        let strange = wanted.subtracting(known.map(\.serial))
        guard !strange.isEmpty else { return }
        for authority in authorities { add(Array(strange), authority) }
    }

    private mutating func add(_ serials: [UInt64], _ authority: SSHPublicKey) {
        var named = certificates[authority] ?? Certificates()
        named.serials = named.serials.union(SerialSet(serials: serials))
        certificates[authority] = named
    }
}
