import HTTPTypes
import Hummingbird

/// The head of an answer that may be cached and asked for in part (RFC 9110 sections 13 and 14).
struct RepositoryHead: Sendable {
    private enum Part {
        case whole
        case range(Range<Int64>)
        case unsatisfiable
        case unchanged
    }

    private let length: Int64
    private let part: Part
    private let isHead: Bool
    private let headers: HTTPFields

    init(_ call: Call, length: Int64, tag: String, type: String, caching: String) {
        self.length = length
        isHead = call.request.method == .head
        headers = [.eTag: tag, .cacheControl: caching, .acceptRanges: "bytes", .contentType: type]
        if let known = call.request.headers[.ifNoneMatch], known == "*" || Self.tags(known).contains(tag) {
            part = .unchanged
        } else if let range = call.request.headers[.range],
            call.request.headers[.ifRange].map({ $0 == tag }) ?? true
        {
            part = Self.part(range, length)
        } else {
            part = .whole
        }
    }

    /// The answer; `body` makes the bytes of a range.
    func response(_ body: (Range<Int64>) -> ResponseBody) -> Response {
        var headers = headers
        switch part {
        case .unchanged:
            headers[.contentType] = nil
            return Response(status: .notModified, headers: headers)
        case .unsatisfiable:
            headers[.contentRange] = "bytes */\(length)"
            headers[.contentType] = nil
            return Response(status: .rangeNotSatisfiable, headers: headers)
        case .range(let range):
            headers[.contentRange] = "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(length)"
            return make(.partialContent, headers, range, body)
        case .whole:
            return make(.ok, headers, 0..<length, body)
        }
    }

    private func make(
        _ status: HTTPResponse.Status,
        _ headers: HTTPFields,
        _ range: Range<Int64>,
        _ body: (Range<Int64>) -> ResponseBody
    ) -> Response {
        guard isHead else { return Response(status: status, headers: headers, body: body(range)) }
        var headers = headers
        headers[.contentLength] = String(range.upperBound - range.lowerBound)
        return Response(status: status, headers: headers)
    }

    private static func tags(_ list: String) -> [String] {
        list.split(separator: ",").map { tag in
            let trimmed = tag.drop { $0 == " " }
            return String(trimmed.hasPrefix("W/") ? trimmed.dropFirst(2) : trimmed)
        }
    }

    /// One range; a header that is not understood, or asks for several, means the whole.
    private static func part(_ header: String, _ length: Int64) -> Part {
        guard header.hasPrefix("bytes="), !header.contains(",") else { return .whole }
        let ends = header.dropFirst(6).split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2 else { return .whole }
        switch (Int64(ends[0]), Int64(ends[1])) {
        case (let first?, let last?) where first >= 0 && last >= first:
            return first < length ? .range(first..<(min(last, length - 1) + 1)) : .unsatisfiable
        case (let first?, nil) where first >= 0 && ends[1].isEmpty:
            return first < length ? .range(first..<length) : .unsatisfiable
        case (nil, let count?) where ends[0].isEmpty && count >= 0:
            return count > 0 && length > 0 ? .range(max(0, length - count)..<length) : .unsatisfiable
        default: return .whole
        }
    }
}
