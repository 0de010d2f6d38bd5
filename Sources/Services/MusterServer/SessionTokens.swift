import ByteCoding
import MusterKeys
import Synchronization

/// Who a session belongs to.
enum Caller: Hashable, Sendable {
    /// A node, by id, with the id and the key that it had on the tailnet, and the beginning of the node key that opened the
    /// session.
    case node(String, tailnet: String, key: String, nodeKey: [UInt8])
    /// An operator, by name, and the SHA-256 of the SSH key that logged in.
    case person(String, key: [UInt8])
}

/// Session tokens and challenges: nothing is remembered, everything is in the token, under a MAC.
///
/// ```
/// token:     base64url of  byte kind | u64 expires | string name | bound | tag (32)
/// bound:     kind 2, an operator: string digest of the SSH key
///            kind 3, a node: string tailnet id | string tailnet key | string first 8 bytes of the node key
/// challenge: u64 expires | 8 random bytes | first 16 bytes of the tag over those and whom it is for
/// ```
final class SessionTokens: Sendable {
    /// Seconds a session lasts.
    static let lifetime: Int64 = 3600
    /// Seconds a challenge may be answered.
    static let challengeLifetime: Int64 = 60

    private let authentication: MessageAuthentication
    /// Challenges that were answered and have not expired: each is good once.
    private let answered = Mutex([[UInt8]: UTCTime]())

    init(_ authentication: MessageAuthentication) {
        self.authentication = authentication
    }

    /// A new token, and when it stops working.
    func issue(_ caller: Caller, at now: UTCTime) -> (token: String, expires: UTCTime) {
        let expires = now.adding(seconds: Self.lifetime)
        var writer = ByteWriter()
        switch caller {
        case .node(let name, let tailnet, let key, let nodeKey):
            writer.byte(3)
            writer.uint64(UInt64(expires.milliseconds))
            writer.string(name)
            writer.string(tailnet)
            writer.string(key)
            writer.string(nodeKey)
        case .person(let name, let key):
            writer.byte(2)
            writer.uint64(UInt64(expires.milliseconds))
            writer.string(name)
            writer.string(key)
        }
        let token = writer.bytes + authentication.tag(for: writer.bytes)
        return (Base64.encode(token, alphabet: .url), expires)
    }

    /// Whose token it is; nil for a token that is not ours, was altered, or has expired.
    func caller(_ token: Substring, at now: UTCTime) -> Caller? {
        session(token, at: now)?.caller
    }

    /// Whose token it is, and when it stops working.
    func session(_ token: Substring, at now: UTCTime) -> (caller: Caller, expires: UTCTime)? {
        guard token.utf8.count <= 1024, let bytes = Base64.decode(token, alphabet: .url),
            bytes.count > MessageAuthentication.tagLength
        else { return nil }
        let message = Array(bytes.dropLast(MessageAuthentication.tagLength))
        guard authentication.verify(tag: Array(bytes.suffix(MessageAuthentication.tagLength)), for: message) else {
            return nil
        }
        var reader = ByteReader(message)
        guard let kind = try? reader.byte(), let expires = try? reader.uint64(),
            Int64(clamping: expires) > now.milliseconds, let name = try? reader.text(limit: 128),
            let caller = Self.caller(kind, name, &reader), reader.remaining == 0
        else { return nil }
        return (caller, UTCTime(milliseconds: Int64(clamping: expires)))
    }

    private static func caller(_ kind: UInt8, _ name: String, _ reader: inout ByteReader) -> Caller? {
        switch kind {
        case 2: return (try? reader.string(limit: 128)).map { .person(name, key: $0) }
        case 3:
            guard let tailnet = try? reader.text(limit: 256), let key = try? reader.text(limit: 256),
                let nodeKey = try? reader.string(limit: 32)
            else { return nil }
            return .node(name, tailnet: tailnet, key: key, nodeKey: nodeKey)
        default: return nil
        }
    }

    /// 32 bytes for `audience` to sign within a minute.
    func challenge(for audience: String, at now: UTCTime) -> [UInt8] {
        var writer = ByteWriter()
        writer.uint64(UInt64(now.adding(seconds: Self.challengeLifetime).milliseconds))
        writer.raw(RandomBytes.make(8))
        return writer.bytes + tag(writer.bytes, audience)
    }

    /// Takes a challenge whose answer was verified; false where it is not ours, too old, or was answered before.
    func take(_ challenge: [UInt8], for audience: String, at now: UTCTime) -> Bool {
        guard isOurs(challenge, for: audience, at: now) else { return false }
        return answered.withLock { answered in
            if answered.count > 10_000 { answered = answered.filter { $0.value > now } }
            return answered.updateValue(now.adding(seconds: Self.challengeLifetime), forKey: challenge) == nil
        }
    }

    /// Whether a challenge is ours and young enough: looked at before its answer's signature is.
    func isOurs(_ challenge: [UInt8], for audience: String, at now: UTCTime) -> Bool {
        guard challenge.count == 32 else { return false }
        var reader = ByteReader(challenge)
        guard let expires = try? reader.uint64(), Int64(clamping: expires) > now.milliseconds else { return false }
        return ConstantTime.equal(Array(challenge[16...]), tag(Array(challenge[..<16]), audience))
    }

    private func tag(_ bytes: [UInt8], _ audience: String) -> [UInt8] {
        Array(authentication.tag(for: Array("challenge ".utf8) + bytes + Array(audience.utf8)).prefix(16))
    }
}
