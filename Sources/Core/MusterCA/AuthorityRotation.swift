import ByteCoding
import CanonicalJSON
import MusterModel
import OpenSSHFormats

/// The rotation of one kind of CA, from a first key to a second: each step is a new `ssh/trust.json`.
///
/// ```
/// (A signs) --announce--> (A signs, B announced) --sign--> (A retiring, B signs) --retire--> (B signs)
///                \<--------- roll-back ---------/ \<--- roll-back ---/
/// ```
/// Nobody is locked out at any step: B signs only once every node in contact has proved that its sshd trusts it, and A goes
/// only once nothing that it signed is needed any more. Until then a step back is always possible.
///
/// Compatibility: nodes trust every key that is listed, whatever its phase, so a step never depends on their version.
public enum AuthorityRotation {
    /// A step.
    public enum Step: String, Hashable, Sendable, CaseIterable {
        /// Have the next key trusted everywhere.
        case announce
        /// Let the next key sign, and the present one retire.
        case sign
        /// Trust the retiring key no more.
        case retire
        /// Go one step back.
        case rollBack = "roll-back"
    }

    /// Why a step is not taken.
    public struct Refusal: Error, Hashable, Sendable, CustomStringConvertible {
        /// What stands against it, one clause.
        public let description: String

        init(_ description: String) {
            self.description = description
        }
    }

    /// How long a CA's key is trusted unless told otherwise, in days: no credential is unlimited.
    public static let standardDays = 365

    /// The step that a rotation waits for; nil while none is under way.
    public static func next(_ kind: SSHAuthorityKind, in trust: SSHTrust) -> Step? {
        let authorities = trust.authorities(kind)
        if authorities.contains(where: { $0.phase == .retiring }) { return .retire }
        return authorities.contains { $0.phase == .announced } ? .sign : nil
    }

    /// The steps that the document lets take, whatever they wait for.
    public static func possible(_ kind: SSHAuthorityKind, in trust: SSHTrust) -> [Step] {
        next(kind, in: trust).map { [$0, .rollBack] } ?? [.announce]
    }

    /// The document after a step; `newKey` is the key to announce, and is needed for that step alone.
    public static func document(
        after step: Step,
        of kind: SSHAuthorityKind,
        in trust: SSHTrust,
        newKey: SSHPublicKey? = nil,
        days: Int = standardDays,
        at time: UTCTime
    ) throws(Refusal) -> SSHTrust {
        guard possible(kind, in: trust).contains(step) else { throw Refusal(impossible(step, kind, trust)) }
        var authorities = trust.authorities(kind)
        switch step {
        case .announce:
            guard let newKey else { throw Refusal("there is no key to announce") }
            let expires = time.adding(seconds: Int64(days) * 86400)
            authorities.append(SSHTrust.Authority(publicKey: newKey, phase: .announced, since: time, expires: expires))
        case .sign:
            authorities = authorities.map { authority in
                switch authority.phase {
                case .signing: authority.entering(.retiring, at: time)
                case .announced: authority.entering(.signing, at: time)
                case .retiring: authority
                }
            }
        case .retire: authorities.removeAll { $0.phase == .retiring }
        case .rollBack where authorities.contains { $0.phase == .retiring }:
            authorities = authorities.map { authority in
                switch authority.phase {
                case .signing: authority.entering(.announced, at: time)
                case .retiring: authority.entering(.signing, at: time)
                case .announced: authority
                }
            }
        case .rollBack: authorities.removeAll { $0.phase == .announced }
        }
        do throws(JSONError) {
            return try trust.replacing(kind, with: authorities)
        } catch {
            throw Refusal(error.description)
        }
    }

    private static func impossible(_ step: Step, _ kind: SSHAuthorityKind, _ trust: SSHTrust) -> String {
        guard let next = next(kind, in: trust) else {
            return "no rotation of the \(kind.rawValue) CA is under way: 'announce' begins one"
        }
        return "a rotation of the \(kind.rawValue) CA is under way: '\(next.rawValue)' or 'roll-back' comes next, "
            + "not '\(step.rawValue)'"
    }

    // MARK: - Judging a new document

    /// Why a new document may not follow the one before, whoever signed it; nil where it may.
    ///
    /// `whySigning` and `whyGone` say what stands against a key that is to sign, or to go (`RotationProof`).
    public static func obstacle(
        from old: SSHTrust,
        to new: SSHTrust,
        whySigning: (SSHAuthorityKind, SSHTrust.Authority) -> String?,
        whyGone: (SSHAuthorityKind, SSHTrust.Authority) -> String?
    ) -> String? {
        guard old != new else { return nil }
        guard new.version > old.version else {
            return "\(SSHTrust.targetPath) says version \(new.version), which is not above \(old.version)"
        }
        for kind in SSHAuthorityKind.allCases {
            let before = old.authorities(kind)
            let after = new.authorities(kind)
            for authority in after where authority.phase == .signing {
                let was = before.first { $0.publicKey == authority.publicKey }
                // Who signed before, and was rolled back from, is trusted still.
                guard was?.phase != .signing, was?.phase != .retiring else { continue }
                guard let was else {
                    return "\(authority.publicKey) would sign as \(kind.rawValue) CA without having been announced"
                }
                // As it was announced: its new entry says since when it signs.
                if let why = whySigning(kind, was) { return why }
            }
            for authority in before where !after.contains(where: { $0.publicKey == authority.publicKey }) {
                guard authority.phase != .signing else {
                    return
                        "\(authority.publicKey) signs as \(kind.rawValue) CA and cannot go at once: let it retire first"
                }
                if let why = whyGone(kind, authority) { return why }
            }
        }
        return nil
    }
}

extension SSHTrust.Authority {
    fileprivate func entering(_ phase: SSHTrust.Phase, at time: UTCTime) -> SSHTrust.Authority {
        // A key that has expired can still retire.
        let since = min(time, expires.adding(seconds: -1))
        return SSHTrust.Authority(publicKey: publicKey, phase: phase, since: since, expires: expires)
    }
}

extension SSHTrust {
    /// The next version of the document, with other authorities of one kind.
    public func replacing(_ kind: SSHAuthorityKind, with authorities: [Authority]) throws(JSONError) -> SSHTrust {
        try SSHTrust(
            version: version + 1,
            userAuthorities: kind == .user ? authorities : userAuthorities,
            hostAuthorities: kind == .host ? authorities : hostAuthorities
        )
    }
}
