import TUF

/// The rule for every signed document: at least `threshold` distinct keys have signed it.
///
/// Counted are keys, not key ids and not signatures: a key listed under two ids counts once. A signature that is wrong,
/// by an unknown key, or by an unknown scheme counts for nothing and does no harm. A threshold below 1 is never met.
public enum TUFSignatureThreshold {
    /// How many distinct keys of `keys` have signed `message`; stops counting at `threshold`.
    public static func count(
        message: [UInt8],
        signatures: [TUFSignature],
        keys: [String: TUFKey],
        threshold: Int
    ) -> Int {
        var signers: Set<TUFKey> = []
        for signature in signatures {
            guard signers.count < threshold else { break }
            guard let key = keys[signature.keyID], !signers.contains(key) else { continue }
            if key.verify(signature: signature.signature, message: message) { signers.insert(key) }
        }
        return signers.count
    }

    /// Whether the threshold is met.
    public static func isMet(
        message: [UInt8],
        signatures: [TUFSignature],
        keys: [String: TUFKey],
        threshold: Int
    ) -> Bool {
        threshold >= 1
            && count(message: message, signatures: signatures, keys: keys, threshold: threshold) >= threshold
    }

    /// Refuses an envelope whose threshold is not met; `what` names it in the error.
    public static func verify(
        _ envelope: SignedEnvelope,
        keys: [String: TUFKey],
        threshold: Int,
        what: String
    ) throws(TUFTrustError) {
        guard threshold >= 1 else { throw TUFTrustError(.threshold, "\(what): a threshold of 0 is never met") }
        let count = count(
            message: envelope.canonicalBytes,
            signatures: envelope.signatures,
            keys: keys,
            threshold: threshold
        )
        guard count >= threshold else {
            throw TUFTrustError(
                .threshold,
                "\(what): signed by \(count) of its keys, \(threshold) are needed (it has \(keys.count))"
            )
        }
    }
}
