import ByteCoding
import CanonicalJSON
import MusterModel
import TUF
import TUFTrust

/// Checks what the service tells one node: the `manifest` role's signatures, the node, the sequence, the time.
///
/// What comes out is authentic and fresh, and still allows nothing: see `AssignmentVerifier` and `TagVerifier`.
public enum ManifestVerifier {
    /// Seconds that the service's clock may be ahead.
    public static let clockSkew: Int64 = 300

    /// The manifest, under the `manifest` role that the trusted top-level targets metadata names.
    ///
    /// Refuses with `metadataTooOld` where the manifest builds on a later timestamp than the trusted one.
    public static func verify(
        _ bytes: [UInt8],
        trusted: TrustedMetadata,
        fleet: FleetID,
        node: NodeID,
        lastSequence: Int64,
        time: UTCTime
    ) throws(TrustRefusal) -> UpdateManifest {
        guard let role = trusted.roleKeys(delegated: "manifest") else {
            throw TrustRefusal(.noSuchRole, "the fleet's targets metadata names no keys for update manifests")
        }
        let manifest = try verify(
            bytes,
            keys: role.keys,
            threshold: role.threshold,
            fleet: fleet,
            node: node,
            lastSequence: lastSequence,
            time: time
        )
        let version = trusted.timestamp.map { Int64($0.version) } ?? 0
        guard manifest.timestampVersion <= version else {
            throw TrustRefusal(
                .metadataTooOld,
                "the update manifest builds on timestamp \(manifest.timestampVersion), trusted is \(version): refresh"
            )
        }
        return manifest
    }

    /// The manifest, signed by at least `threshold` of `keys`, for this node, newer than `lastSequence`, and not over.
    public static func verify(
        _ bytes: [UInt8],
        keys: [String: TUFKey],
        threshold: Int,
        fleet: FleetID,
        node: NodeID,
        lastSequence: Int64,
        time: UTCTime
    ) throws(TrustRefusal) -> UpdateManifest {
        let manifest = try authentic(bytes, keys, threshold)
        guard manifest.fleet == fleet else {
            throw TrustRefusal(.otherFleet, "the update manifest is for fleet \(manifest.fleet), this is \(fleet)")
        }
        guard manifest.node == node else {
            throw TrustRefusal(.otherNode, "the update manifest is for node \(manifest.node), this is \(node)")
        }
        guard manifest.sequence > lastSequence else {
            throw TrustRefusal(
                .replayed,
                "update manifest \(manifest.sequence) is not newer than \(lastSequence), the last one followed"
            )
        }
        try Validity.check(
            "update manifest \(manifest.sequence)",
            issued: manifest.issued,
            expires: manifest.expires,
            lifetime: UpdateManifest.lifetime,
            skew: clockSkew,
            time: time
        )
        return manifest
    }

    /// Nothing of the document is looked at before its signatures are verified.
    private static func authentic(
        _ bytes: [UInt8],
        _ keys: [String: TUFKey],
        _ threshold: Int
    ) throws(TrustRefusal) -> UpdateManifest {
        do throws(JSONError) {
            let envelope = try SignedEnvelope(parsing: bytes, limit: UpdateManifest.byteLimit)
            let isMet = TUFSignatureThreshold.isMet(
                message: envelope.canonicalBytes,
                signatures: envelope.signatures,
                keys: keys,
                threshold: threshold
            )
            if isMet { return try UpdateManifest(try JSONFields(envelope.signed, at: "signed")) }
        } catch {
            throw TrustRefusal(.malformed, "this is not an update manifest: \(error)")
        }
        throw TrustRefusal(
            .underThreshold,
            "the update manifest is not signed by \(threshold) of the \(keys.count) keys that may sign one"
        )
    }
}
