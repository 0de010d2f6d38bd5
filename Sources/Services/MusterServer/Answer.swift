import CanonicalJSON
import HTTPTypes
import Hummingbird
import MusterAPI
import NIOCore

/// Answers of the routes.
enum Answer {
    /// A document, 200 unless told otherwise.
    static func json(_ value: JSONValue, status: HTTPResponse.Status = .ok) -> Response {
        bytes(value.jsonBytes, type: "application/json", status: status)
    }

    /// A body of the API.
    static func body(_ body: some Body, status: HTTPResponse.Status = .ok) -> Response {
        json(body.json, status: status)
    }

    /// Bytes of some media type.
    static func bytes(_ bytes: [UInt8], type: String, status: HTTPResponse.Status = .ok) -> Response {
        Response(
            status: status,
            headers: [.contentType: type],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes))
        )
    }

    /// 204.
    static var nothing: Response { Response(status: .noContent) }

    /// A problem document of RFC 9457; what is too long or unfinished ends the connection.
    static func problem(_ problem: Problem) -> Response {
        var response = bytes(
            problem.json.jsonBytes,
            type: Problem.mediaType,
            status: HTTPResponse.Status(code: problem.status)
        )
        if problem.status == 413 { response.headers[.connection] = "close" }
        if problem.status == 401 { response.headers[.wwwAuthenticate] = "Bearer" }
        return response
    }
}
