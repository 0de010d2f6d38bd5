import HTTPTypes
import HummingbirdCore
import MusterAPI
import MusterModel
import MusterPolicy
import Tailnet

/// Which operator a tailnet user is: for reading only, and never for a tagged node, which belongs to nobody.
struct OperatorRecognition {
    let call: Call
    let gate: TailnetGate
    let usesTLS: Bool

    /// The operator of the policy with the caller's login; nil where that is nobody, or several.
    func find(_ policy: FleetPolicy) -> OperatorName? {
        guard let login = call.identity.login, call.identity.tags.isEmpty, !call.identity.isAddressOnly, isForUs else {
            return nil
        }
        guard let name = policy.owner(ofLogin: login), let person = policy.operators[name] else { return nil }
        // Whoever cannot sign any more is no operator any more.
        let isUsable = person.keys.contains { policy.obstacle(to: $0, of: name, at: call.time) == nil }
        return isUsable ? name : nil
    }

    /// Whether the request was meant for this service.
    ///
    /// A browser on an operator's machine calls from the operator's address, whoever wrote the page. So a page of another
    /// origin gets nothing, nor one that let its own name point to our address (DNS rebinding): over plain HTTP the name
    /// in `Host` must be a numeric address or the name that the tailnet gives this machine.
    private var isForUs: Bool {
        if let site = call.header("sec-fetch-site"), site != "same-origin", site != "none" { return false }
        guard call.header("origin") == nil else { return false }
        guard !usesTLS else { return true }
        guard let authority = call.request.head.authority else { return false }
        let host = Self.host(authority)
        if IPAddress(host) != nil || host == "localhost" { return true }
        guard let own = gate.ownIdentity?.name.lowercased(), !own.isEmpty else { return false }
        return host == own || host == own.prefix { $0 != "." }
    }

    /// The name or address in `HOST`, `HOST:PORT` or `[ADDRESS]:PORT`.
    private static func host(_ authority: String) -> String {
        if authority.hasPrefix("[") { return String(authority.dropFirst().prefix { $0 != "]" }) }
        return authority.prefix { $0 != ":" }.lowercased()
    }
}
