import ByteCoding
import HTTPTypes
import Hummingbird
import MusterAPI
import MusterModel
import MusterStore
import NIOCore

/// `GET /enroll/CODE`: the page behind the link that a waiting node shows.
///
/// It says what to run, to anybody, and is the same for every code; who asks is shown only to recognised operators. It has
/// no script and nothing to click: what lets a node in is an operator's signature.
struct EnrollmentPage: Sendable {
    let service: FleetService

    /// The page.
    func answer(_ call: Call, _ text: String) async throws -> Response {
        let code = text.uppercased()
        guard EnrollmentCode.hasForm(code) else { throw Problem.missing("there is no such code") }
        var details = "<p>Who asks is shown here to operators whom the tailnet recognises.</p>"
        if let reader = try? service.operators.reader(call) {
            let pending = try await service.store.read { try $0.pendingEnrollment(code: code) }
            details = pending.map { describe($0, reader) } ?? "<p>No node waits with this code.</p>"
        }
        var response = Answer.bytes(Array(page(code, details).utf8), type: "text/html; charset=utf-8")
        for (name, value) in Self.headers { if let name = HTTPField.Name(name) { response.headers[name] = value } }
        return response
    }

    private static let headers = [
        ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
        ("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer"), ("Cache-Control", "no-store"),
    ]

    private func describe(_ pending: StoredPending, _ reader: OperatorName) -> String {
        var rows = [
            ("name", pending.name), ("address", pending.address), ("asked", "\(pending.asked)"),
            ("key", Hex.encode(pending.key)),
        ]
        if let tailnet = service.tailnetRecord(pending.tailnet) {
            rows.append(("tailnet", tailnet.name.isEmpty ? tailnet.id : "\(tailnet.name) (\(tailnet.id))"))
            if let login = tailnet.login { rows.append(("user", login)) }
            if !tailnet.tags.isEmpty { rows.append(("tailnet tags", tailnet.tags.joined(separator: ", "))) }
        }
        let table = rows.map { "<tr><th>\(Self.escape($0.0))</th><td>\(Self.escape($0.1))</td></tr>" }.joined()
        return "<table>\(table)</table><p>Recognised as \(Self.escape(reader.text)), for reading only.</p>"
    }

    private func page(_ code: String, _ details: String) -> String {
        """
        <!doctype html>
        <html lang="en"><head><meta charset="utf-8"><title>muster: a node asks to join</title></head>
        <body><h1>A node asks to join with the code \(code)</h1>
        <p>Compare the code with the one that the node shows. To let it in, run on your own machine:</p>
        <pre>muster node approve \(code)</pre>
        \(details)
        </body></html>

        """
    }

    private static func escape(_ text: String) -> String {
        var escaped = ""
        for character in text.unicodeScalars {
            switch character {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            case "'": escaped += "&#39;"
            default: escaped.unicodeScalars.append(character)
            }
        }
        return escaped
    }
}
