import ByteCoding
import CanonicalJSON
import TUF

/// What a new root or top-level targets metadata says that the trusted one does not: what a root key holder signs.
struct FleetMetadataChange: Sendable {
    let role: String
    private let before: SignedEnvelope
    private let after: SignedEnvelope
    private let from: MetadataHeader
    private let to: MetadataHeader
    private let signers: SigningView

    init(_ role: String, from before: SignedEnvelope, to after: SignedEnvelope, signers: SigningView) throws {
        self.role = role
        self.before = before
        self.after = after
        self.signers = signers
        do {
            from = try Self.header(role, before)
            to = try Self.header(role, after)
        } catch {
            throw CommandFailure.refused("\(role) metadata makes no sense: \(error)")
        }
    }

    /// Whether nothing but version and expiry differs.
    var isRenewal: Bool { Self.content(before) == Self.content(after) }

    /// Refuses what must not happen unnoticed: an old version, one that has expired, or other keys.
    func check(allowChange: Bool, now: UTCTime) throws {
        guard to.version > from.version else {
            throw CommandFailure.refused(
                "\(role) version \(to.version) is not above the trusted version \(from.version)"
            )
        }
        guard to.expires > now else { throw CommandFailure.refused("the new \(role) expired at \(to.expires)") }
        guard isRenewal || allowChange else {
            throw CommandFailure.refused("keys or roles of \(role) change: give --allow-change if that is meant")
        }
    }

    /// The change for people to read before they sign.
    var lines: [StyledText] {
        var lines = [
            StyledText(
                "\(role): version \(from.version) -> \(to.version), expires \(from.expires) -> \(to.expires)",
                .bold
            )
        ]
        if isRenewal {
            let signing = "\(signers.threshold) of \(signers.keys.count) must sign"
            lines.append(StyledText("  keys unchanged, roles unchanged; \(signing)", .faint))
        } else {
            lines += TextDifference.lines(
                from: JSONValue.object(Self.content(before)).prettyText,
                to: JSONValue.object(Self.content(after)).prettyText
            )
        }
        return lines
    }

    private static func content(_ envelope: SignedEnvelope) -> JSONObject {
        guard case .object(var object) = envelope.signed else { return JSONObject() }
        object["version"] = nil
        object["expires"] = nil
        return object
    }

    private static func header(_ role: String, _ envelope: SignedEnvelope) throws(JSONError) -> MetadataHeader {
        role == "root" ? try Root(envelope).header : try Targets(envelope).header
    }
}
