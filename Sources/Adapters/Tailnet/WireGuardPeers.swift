import ByteCoding

/// What `wg show IFACE allowed-ips` says: which addresses belong to which key.
///
/// ```
/// <base64 key> TAB 10.9.0.2/32 SPACE 10.9.1.0/24 NEWLINE      "(none)" where a peer has no address
/// ```
struct WireGuardPeers {
    /// The peers' keys in the order of the interface.
    private(set) var keys: [String] = []
    private var singles: [String: [IPAddress]] = [:]
    private var owners: [IPAddress: String] = [:]

    /// Reads the output of `wg`.
    init(allowed text: String) throws(TailnetError) {
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: "\t", maxSplits: 1)
            guard let first = fields.first, let key = Self.key(String(first)) else {
                throw TailnetError("'wg show' printed a line that does not begin with a key")
            }
            keys.append(key)
            guard fields.count == 2, fields[1] != "(none)" else { continue }
            for word in fields[1].split(separator: " ") {
                guard let prefix = IPPrefix(word) else {
                    throw TailnetError("'wg show' printed '\(word)', which is no range of addresses")
                }
                guard prefix.isSingle else { continue }
                owners[prefix.address] = key
                singles[key, default: []].append(prefix.address)
            }
        }
    }

    /// The peer that the address alone is given to; nil for an address that is only within a peer's network.
    ///
    /// WireGuard's own rule is the longest prefix, and none is longer than a single address.
    func owner(of address: IPAddress) -> String? { owners[address] }

    /// The addresses that are given to a peer alone.
    func addresses(of key: String) -> [IPAddress] { singles[key] ?? [] }

    /// What `wg show IFACE latest-handshakes` says: seconds since 1970, 0 for never.
    static func handshakes(_ text: String) throws(TailnetError) -> [String: UTCTime] {
        var handshakes: [String: UTCTime] = [:]
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: "\t")
            guard fields.count == 2, let key = key(String(fields[0])), let seconds = Int64(fields[1]), seconds >= 0
            else {
                throw TailnetError("'wg show' printed a line that is no key with a time")
            }
            if seconds > 0 { handshakes[key] = UTCTime(seconds: seconds) }
        }
        return handshakes
    }

    /// A key as WireGuard writes it: 32 bytes in base64; nil for anything else.
    static func key(_ text: String) -> String? {
        guard text.utf8.count == 44, let bytes = Base64.decode(text), bytes.count == 32 else { return nil }
        return text
    }
}
