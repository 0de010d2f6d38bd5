import ByteCoding
import SignatureVerification
import TUF

/// Names of local files for role names and target paths, which may be any text: one name for one text, never a path.
public enum LocalFileName {
    /// The percent-encoded text, or its hash where that would be too long for a file name.
    public static func of(_ text: String) -> String {
        let encoded = TargetPath.percentEncoded(text)
        return encoded.utf8.count <= 180 ? encoded : "%sha256-" + Hex.encode(Digest.sha256(Array(text.utf8)))
    }
}
