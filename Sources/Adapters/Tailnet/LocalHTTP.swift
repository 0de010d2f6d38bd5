/// As much of HTTP/1.1 as one GET over a Unix socket takes: the connection ends after the answer.
enum LocalHTTP {
    /// An answer, whole.
    struct Reply {
        let status: Int
        let body: [UInt8]
    }

    /// A request; without `Origin` and `Referer`, which tailscaled takes for a browser's.
    static func request(_ path: String, host: String) -> [UInt8] {
        Array("GET \(path) HTTP/1.1\r\nHost: \(host)\r\nAccept: application/json\r\nConnection: close\r\n\r\n".utf8)
    }

    /// Takes apart everything that was received; nil where it is not one whole answer.
    static func parse(_ bytes: [UInt8]) -> Reply? {
        guard let end = bytes.firstRange(of: Array("\r\n\r\n".utf8)), end.lowerBound <= 65536 else { return nil }
        let lines = String(decoding: bytes[..<end.lowerBound], as: UTF8.self).split(separator: "\r\n")
        guard let first = lines.first else { return nil }
        let words = first.split(separator: " ", maxSplits: 2)
        guard words.count >= 2, words[0].hasPrefix("HTTP/1."), let status = Int(words[1]), (100...599).contains(status)
        else { return nil }
        var length: Int?
        var isChunked = false
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { return nil }
            let value = line[line.index(after: colon)...].filter { $0 != " " && $0 != "\t" }.lowercased()
            switch line[..<colon].lowercased() {
            case "content-length":
                guard length == nil, let number = Int(value), number >= 0 else { return nil }
                length = number
            case "transfer-encoding":
                guard value == "chunked" else { return nil }
                isChunked = true
            default: continue
            }
        }
        let rest = bytes[end.upperBound...]
        if isChunked {
            guard length == nil, let body = unchunk(rest) else { return nil }
            return Reply(status: status, body: body)
        }
        // Without either the body would end wherever the connection broke.
        guard let length, rest.count == length else { return nil }
        return Reply(status: status, body: Array(rest))
    }

    private static func unchunk(_ bytes: ArraySlice<UInt8>) -> [UInt8]? {
        var body: [UInt8] = []
        var rest = bytes
        while true {
            guard let end = rest.firstRange(of: [0x0D, 0x0A]) else { return nil }
            let digits = rest[..<end.lowerBound].prefix { $0 != UInt8(ascii: ";") }
            guard digits.count <= 8, let size = Int(String(decoding: digits, as: UTF8.self), radix: 16), size >= 0 else {
                return nil
            }
            rest = rest[end.upperBound...]
            if size == 0 { return body }
            guard rest.count >= size + 2 else { return nil }
            body.append(contentsOf: rest.prefix(size))
            rest = rest.dropFirst(size)
            guard rest.starts(with: [0x0D, 0x0A]) else { return nil }
            rest = rest.dropFirst(2)
        }
    }
}
