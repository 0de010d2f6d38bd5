import ByteCoding
import CanonicalJSON
import HTTPTypes
import Hummingbird
import MusterAPI
import NIOCore
import Tailnet

/// One request, with what the routes ask of it.
struct Call: Sendable {
    /// The request itself.
    let request: Request
    /// The connection it came by.
    let channel: any Channel
    /// When it came, by the service's clock.
    let time: UTCTime
    /// The caller's address, without its port; an IPv4 address that came mapped into IPv6 is IPv4.
    let peer: String
    /// Who calls, as the gate says; nobody before it was asked.
    var identity = TailnetIdentity(id: "")

    /// How long a whole JSON body may take to arrive.
    static let bodyTimeout = TimeAmount.seconds(30)

    init(request: Request, channel: any Channel, time: UTCTime) {
        self.request = request
        self.channel = channel
        self.time = time
        let address = channel.remoteAddress?.ipAddress ?? ""
        peer = address.hasPrefix("::ffff:") ? String(address.dropFirst(7)) : address
    }

    /// The first value of a header field.
    func header(_ name: String) -> String? {
        HTTPField.Name(name).flatMap { request.headers[$0] }
    }

    /// The parts of the path, percent-decoded; nil where the encoding is broken.
    var path: [String]? {
        var parts: [String] = []
        for part in request.uri.path.utf8.split(separator: UInt8(ascii: "/")) {
            guard let decoded = PercentEncoding.decode(part) else { return nil }
            parts.append(decoded)
        }
        return parts
    }

    /// The value of a query member, percent-decoded.
    func query(_ name: String) -> String? {
        request.uri.queryParameters[name[...]].map(String.init)
    }

    /// A query member that is a number from 0 on.
    func number(_ name: String, default standard: Int64, limit: Int64 = Int64.max / 2) throws(Problem) -> Int64 {
        guard let text = query(name) else { return standard }
        guard let number = Int64(text), (0...limit).contains(number) else {
            throw .malformed("query member '\(name)' is not a number from 0 to \(limit)")
        }
        return number
    }

    /// How many seconds the caller would wait for news, at most a minute.
    func wait() throws(Problem) -> Int64 {
        min(try number("wait", default: 0), 60)
    }

    /// The bearer token; nil where there is none.
    var bearer: Substring? {
        guard let value = request.headers[.authorization] else { return nil }
        let parts = value.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bearer" else { return nil }
        return parts[1]
    }

    /// The whole body, at most `limit` bytes.
    func bytes(limit: Int) async throws -> [UInt8] {
        if let text = request.headers[.contentLength], let length = Int(text), length > limit {
            throw Problem.tooLong(limit)
        }
        let channel = channel
        let timeout = channel.eventLoop.scheduleTask(in: Self.bodyTimeout) { channel.close(promise: nil) }
        defer { timeout.cancel() }
        var body: [UInt8] = []
        do {
            for try await piece in request.body {
                guard body.count + piece.readableBytes <= limit else { throw Problem.tooLong(limit) }
                body.append(contentsOf: piece.readableBytesView)
            }
        } catch let problem as Problem {
            throw problem
        } catch {
            throw Problem.malformed("the body ends too early")
        }
        return body
    }

    /// The whole body as a document.
    func body<Value: Body>(_ type: Value.Type = Value.self) async throws -> Value {
        let bytes = try await bytes(limit: Value.byteLimit)
        do {
            return try Value.parse(bytes)
        } catch {
            throw Problem.malformed(error)
        }
    }
}

/// Percent-encoding of one part of a path (RFC 3986 section 2.1).
enum PercentEncoding {
    /// The decoded text; nil for a broken escape or for bytes that are not UTF-8.
    static func decode(_ part: some Sequence<UInt8>) -> String? {
        var bytes: [UInt8] = []
        var rest = part.makeIterator()
        while let byte = rest.next() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = rest.next().flatMap(digit), let low = rest.next().flatMap(digit) else { return nil }
            bytes.append(high << 4 | low)
        }
        return String(validating: bytes, as: UTF8.self)
    }

    private static func digit(_ character: UInt8) -> UInt8? {
        switch character {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): character - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): character - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
