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
        guard let head = Head(bytes) else { return nil }
        let rest = bytes[head.end...]
        if head.isChunked { return unchunk(rest).map { Reply(status: head.status, body: $0) } }
        // Without either the body would end wherever the connection broke.
        guard let length = head.length, rest.count == length else { return nil }
        return Reply(status: head.status, body: Array(rest))
    }

    /// Whether what was received so far is a whole answer, or more than one.
    static func isComplete(_ bytes: [UInt8]) -> Bool {
        guard let head = Head(bytes) else { return false }
        if let length = head.length { return bytes.count - head.end >= length }
        return head.isChunked && bytes.suffix(lastChunk.count) == lastChunk && unchunk(bytes[head.end...]) != nil
    }

    private static let lastChunk = Array("0\r\n\r\n".utf8)

    /// Status line and header fields, as far as they matter.
    private struct Head {
        /// Where the body begins.
        let end: Int
        let status: Int
        var length: Int?
        var isChunked = false

        /// Most bytes of it.
        private static let limit = 65536

        init?(_ bytes: [UInt8]) {
            guard let mark = bytes.prefix(Self.limit).firstRange(of: Array("\r\n\r\n".utf8)) else { return nil }
            end = mark.upperBound
            let lines = String(decoding: bytes[..<mark.lowerBound], as: UTF8.self).split(separator: "\r\n")
            guard let words = lines.first?.split(separator: " ", maxSplits: 2), words.count >= 2,
                words[0].hasPrefix("HTTP/1."), let status = Int(words[1]), (100...599).contains(status)
            else { return nil }
            self.status = status
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
            if isChunked, length != nil { return nil }
        }
    }

    private static func unchunk(_ bytes: ArraySlice<UInt8>) -> [UInt8]? {
        var body: [UInt8] = []
        var rest = bytes
        while true {
            guard let end = rest.firstRange(of: [0x0D, 0x0A]) else { return nil }
            let digits = rest[..<end.lowerBound].prefix { $0 != UInt8(ascii: ";") }
            guard digits.count <= 8, let size = Int(String(decoding: digits, as: UTF8.self), radix: 16), size >= 0
            else {
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
