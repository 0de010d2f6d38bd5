import ByteCoding
import CanonicalJSON
import MusterClient
import MusterIdentity
import MusterKeys

/// Posts notices as JSON (`NoticeMessage`).
///
/// ```
/// POST …
/// Content-Type: application/json
/// Muster-Notice: <id, the same for every attempt>
/// Muster-Signature: sha256=<HMAC-SHA256 of the body by the shared secret, in hexadecimal digits>
/// ```
/// Any status from 200 to 299 says that it was taken. A redirect is not followed: it could send the notice, and the right
/// to sign for us, anywhere.
public struct WebhookChannel: NoticeChannel {
    /// Seconds until the head of the answer must be there.
    public static let seconds: Int64 = 15

    private let address: WebhookAddress
    private let secret: SecretBytes?
    private let authorities: String?
    private let seconds: Int64

    /// A webhook; `authorities` is a PEM file of certificate authorities to believe instead of the system's.
    public init(
        _ address: WebhookAddress,
        secret: SecretBytes?,
        authorities: String? = nil,
        seconds: Int64 = Self.seconds
    ) {
        self.address = address
        self.secret = secret
        self.authorities = authorities
        self.seconds = seconds
    }

    /// `webhook-` and what tells one address from another.
    public var id: String { "webhook-\(address.digest)" }

    /// `webhook https://HOST`.
    public var name: String { "webhook \(address.origin)" }

    /// The JSON document.
    public func bytes(_ message: NoticeMessage) -> [UInt8] { message.json.jsonBytes }

    /// Posts the document.
    public func deliver(_ bytes: [UInt8], id: String) async throws(NoticeDeliveryError) {
        var headers = [("Content-Type", "application/json"), ("User-Agent", "musterd"), ("Muster-Notice", id)]
        if let secret {
            headers.append(("Muster-Signature", "sha256=" + Hex.encode(HMACSHA256.tag(of: bytes, key: secret))))
        }
        let request = HTTPRequest(address.url, method: .post, headers: headers, body: .bytes(bytes), seconds: seconds)
        let status = try await status(of: request)
        switch status {
        case 200...299: return
        case 300...399:
            throw NoticeDeliveryError("\(name): status \(status), a redirect, is not followed: give the final address")
        default: throw NoticeDeliveryError("\(name): status \(status)")
        }
    }

    /// The status that a request gets, over a connection of its own: notices are days apart.
    private func status(of request: HTTPRequest) async throws(NoticeDeliveryError) -> Int {
        do throws(HTTPTransportError) {
            let transport = try HTTPTransport(HTTPTransport.Options(trustRootsFile: authorities))
            // The head says all; a body, however long, is not waited for.
            let outcome: Result<Int, HTTPTransportError>
            do throws(HTTPTransportError) {
                outcome = .success(try await transport.open(request).status)
            } catch {
                outcome = .failure(error)
            }
            await transport.close()
            return try outcome.get()
        } catch {
            throw NoticeDeliveryError("\(name): \(error)")
        }
    }
}
