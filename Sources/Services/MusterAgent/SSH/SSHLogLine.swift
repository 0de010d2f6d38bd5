import ByteCoding

/// A login by certificate, as sshd's log tells it.
///
/// ```
/// Accepted publickey for root from 100.64.0.7 port 40084 ssh2: ED25519-CERT SHA256:… ID ada@laptop (serial 77) CA ED25519 SHA256:…
/// ```
/// The key ID is whatever the CA wrote into the certificate, so the end of the line is read from its end: a key ID that looks
/// like one changes nothing. sshd cuts its lines at 1024 bytes; a key ID long enough to hide the serial is told with serial 0.
struct SSHLogLine: Hashable, Sendable {
    /// The account.
    let user: String
    /// Where the login came from.
    let address: String
    /// What the certificate calls itself; perhaps cut.
    let keyID: String
    /// The certificate's serial; 0 where the line was cut.
    let serial: UInt64
    /// `SHA256:…` of the CA; nil where the line was cut.
    let authority: String?

    /// Most bytes of a line that is looked at.
    static let limit = 8192

    private static let beginning = Array("Accepted publickey for ".utf8)

    /// Reads a line of a log file or of the journal; nil where it is about something else.
    init?(_ line: some Collection<UInt8>) {
        // `sshd -e` ends its lines with CR LF.
        var whole = Array(line)[...]
        while let last = whole.last, last == UInt8(ascii: "\r") { whole.removeLast() }
        guard whole.count <= Self.limit, var rest = Self.login(whole) else { return nil }
        guard let user = rest.take(until: " from "), let address = rest.take(until: " port "),
            let port = rest.take(until: " ssh2: "), UInt16(port.text) != nil,
            let kind = rest.take(until: " "), kind.text.hasSuffix("-CERT"),
            let fingerprint = rest.take(until: " ID "), fingerprint.text.hasPrefix("SHA256:")
        else { return nil }
        // What is no text grows while it is repaired, and a report of a text too long is refused whole.
        self.user = user.prefix(256).text.bounded(256)
        self.address = address.prefix(256).text.bounded(256)
        let (keyID, serial, authority) = Self.end(rest)
        self.keyID = keyID.prefix(512).text.bounded(512)
        self.serial = serial
        self.authority = authority
    }

    /// What follows `Accepted publickey for `, which stands at the beginning or behind `Nov 23 04:43:54 host sshd[123]: `.
    private static func login(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        if line.starts(with: beginning) { return line.dropFirst(beginning.count) }
        guard let mark = line.firstRange(of: Array("]: ".utf8) + beginning) else { return nil }
        let sender = line[..<mark.lowerBound]
        guard let bracket = sender.lastIndex(of: UInt8(ascii: "[")),
            sender[(bracket + 1)...].allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let name = sender[..<bracket].split(separator: UInt8(ascii: " ")).last?.text,
            name == "sshd" || name == "sshd-session"
        else { return nil }
        return line[mark.upperBound...]
    }

    /// `KEY ID (serial N) CA TYPE SHA256:…`.
    private static func end(_ text: ArraySlice<UInt8>) -> (ArraySlice<UInt8>, UInt64, String?) {
        guard let mark = text.lastRange(of: Array(" (serial ".utf8)) else { return (text, 0, nil) }
        var rest = text[mark.upperBound...]
        guard let number = rest.take(until: ") CA "), let serial = UInt64(number.text),
            rest.take(until: " ") != nil, rest.starts(with: Array("SHA256:".utf8)), rest.count == 50
        else { return (text, 0, nil) }
        return (text[..<mark.lowerBound], serial, rest.text)
    }
}

extension ArraySlice<UInt8> {
    fileprivate var text: String { String(decoding: self, as: UTF8.self) }

    /// Takes what is before the mark, and drops the mark; nil where it does not occur.
    fileprivate mutating func take(until mark: String) -> ArraySlice<UInt8>? {
        guard let found = firstRange(of: Array(mark.utf8)) else { return nil }
        defer { self = self[found.upperBound...] }
        return self[..<found.lowerBound]
    }

    fileprivate func firstRange(of mark: [UInt8]) -> Range<Int>? {
        guard count >= mark.count else { return nil }
        for start in startIndex...(endIndex - mark.count) where self[start...].starts(with: mark) {
            return start..<(start + mark.count)
        }
        return nil
    }

    fileprivate func lastRange(of mark: [UInt8]) -> Range<Int>? {
        guard count >= mark.count else { return nil }
        for start in (startIndex...(endIndex - mark.count)).reversed() where self[start...].starts(with: mark) {
            return start..<(start + mark.count)
        }
        return nil
    }
}
