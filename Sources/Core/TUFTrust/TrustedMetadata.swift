// Trust in a TUF repository, without I/O.
//
// Parties: the client, which starts from one root it was given; the holders of the root keys, who name every other key;
// the repository, which is believed nothing that is not signed. Files: root, timestamp, snapshot, targets, delegated
// targets, in this order; each names what the next must be. Rotation: a new root is signed by the keys of the old one
// and by its own. The order of calls and all checks are those of the TUF specification 1.0.34, section 5.

import ByteCoding
import CanonicalJSON
import TUF

/// The metadata that is trusted so far, and the rules by which more comes to be.
///
/// A value: a call that throws leaves it as it was. Time is fixed when it is made (section 5.1).
///
/// ```
/// var trusted = try TrustedMetadata(trustedRoot: pinned, time: now)
/// while let next = fetch(root: trusted.root.version + 1) { try trusted.updateRoot(next) }
/// try trusted.checkRootExpiry()
/// _ = try trusted.updateTimestamp(…); _ = try trusted.updateSnapshot(…); try trusted.updateTargets(…)
/// ```
public struct TrustedMetadata: Sendable {
    /// Where metadata comes from: it decides whether metadata that has been overtaken is an attack or merely old.
    public enum Origin: Sendable {
        /// Stored here after it was verified earlier: kept for comparison even when it has expired since.
        case cache
        /// Just fetched.
        case repository
    }

    /// What became of metadata that is authentic.
    public enum Outcome: Sendable, Equatable {
        /// It is trusted and current.
        case accepted
        /// The same version is trusted already; nothing changed, and nothing is to be stored.
        case unchanged
        /// From the cache: good for comparing versions with, to be replaced by a newer one.
        case outdated
    }

    /// The moment against which every expiry is checked.
    public let time: UTCTime
    /// How much is read and followed.
    public let limits: TUFLimits
    /// The trusted root.
    public internal(set) var root: Root
    /// Whether timestamp or snapshot keys were taken away by a new root, so that stored timestamp and snapshot metadata
    /// must be deleted: how a repository recovers from a fast-forward attack (section 5.3.11).
    public internal(set) var freshnessKeysRotated = false
    /// The trusted timestamp; perhaps an outdated one from the cache.
    public internal(set) var timestamp: Timestamp?
    /// The trusted snapshot; perhaps an outdated one from the cache.
    public internal(set) var snapshot: Snapshot?
    /// Targets metadata of each role, by percent-encoded role name.
    var roles: [String: TrustedTargets] = [:]

    /// Starts from a root that is trusted because it was given.
    ///
    /// It must at least be signed by its own keys. It may have expired; only the last root of the chain must not have.
    public init(trustedRoot bytes: [UInt8], time: UTCTime, limits: TUFLimits = TUFLimits()) throws(TUFTrustError) {
        let envelope = try Self.envelope(bytes, role: "root", type: "root", limit: limits.root)
        root = try Self.read("root", envelope) { envelope throws(JSONError) in try Root(envelope) }
        self.time = time
        self.limits = limits
        let (keys, threshold) = root.roleKeys(.root)
        try TUFSignatureThreshold.verify(envelope, keys: keys, threshold: threshold, what: "trusted root")
    }

    /// The trusted top-level targets metadata.
    public var targets: Targets? { roles["targets"]?.targets }

    /// Targets metadata of a delegated role, once loaded.
    public func delegatedTargets(_ role: String) -> Targets? {
        roles[TargetPath.percentEncoded(role)]?.targets
    }

    /// The keys that the top-level targets metadata names for a role it delegates to, whether or not that role has
    /// metadata of its own, and how many of them must sign.
    public func roleKeys(delegated role: String) -> (keys: [String: TUFKey], threshold: Int)? {
        targets?.delegations?.roleKeys(role)
    }

    // MARK: - Reading

    static func envelope(
        _ bytes: [UInt8],
        role: String,
        type: String,
        limit: Int
    ) throws(TUFTrustError) -> SignedEnvelope {
        guard bytes.count <= limit else {
            throw TUFTrustError(.tooLong, "\(role): \(bytes.count) bytes of metadata, at most \(limit) are read")
        }
        let envelope = try read(role, bytes) { bytes throws(JSONError) in
            try SignedEnvelope(parsing: bytes, limit: limit)
        }
        guard envelope.signedNode["_type"]?.string?.utf8.elementsEqual(type.utf8) == true else {
            throw TUFTrustError(.wrongType, "\(role): is not \(type) metadata")
        }
        guard let specVersion = envelope.signedNode["spec_version"]?.string,
            MetadataHeader.isSupported(specVersion)
        else { throw TUFTrustError(.specVersion, "\(role): not of TUF specification 1.x") }
        return envelope
    }

    static func read<Input, Output>(
        _ role: String,
        _ input: Input,
        _ body: (Input) throws(JSONError) -> Output
    ) throws(TUFTrustError) -> Output {
        do {
            return try body(input)
        } catch {
            throw TUFTrustError(.malformed, "\(role): \(error)")
        }
    }

    func checkExpiry(_ role: String, _ expires: UTCTime) throws(TUFTrustError) {
        guard time < expires else {
            throw TUFTrustError(.expired, "\(role): expired at \(expires), the time is \(time.wholeSeconds)")
        }
    }
}

/// Targets metadata that is in use, and on whose word.
struct TrustedTargets: Sendable {
    let envelope: SignedEnvelope
    let targets: Targets
    /// Percent-encoded names of the delegators under whose keys the envelope was verified.
    var delegators: Set<String>
}
