import CanonicalJSON
import SignatureVerification

/// To whom a role delegates: named roles in order of preference, or succinct hash bins (TAP 15), never both.
///
/// ```
/// {"keys": {"<key id>": {key}},
///  "roles": [{"name", "keyids", "threshold", "terminating", "paths": ["…"] | "path_hash_prefixes": ["…"]}]
///  | "succinct_roles": {"keyids", "threshold", "bit_length", "name_prefix"}}
/// ```
public struct Delegations: Sendable {
    /// Who is delegated to.
    public enum Roles: Sendable {
        case named([DelegatedRole])
        case succinct(SuccinctRoles)
    }

    /// Keys by the id they are given.
    public let keys: [String: TUFKey]
    /// Who is delegated to.
    public let roles: Roles

    /// Delegations that are being made: `keys` are named by their ids.
    public init(keys: [TUFKey], roles: Roles) throws(JSONError) {
        self.keys = Dictionary(keys.map { ($0.id, $0) }) { first, _ in first }
        self.roles = roles
        _ = try Delegations(try JSONFields(json, at: "signed.delegations"))
    }

    /// Reads a `delegations` object.
    public init(_ fields: JSONFields) throws(JSONError) {
        keys = try fields.keys("keys")
        switch (fields.has("roles"), fields.has("succinct_roles")) {
        case (true, false):
            var named: [DelegatedRole] = []
            var names: Set<[UInt8]> = []
            for role in try fields.objects("roles", limit: 4096) {
                let delegated = try DelegatedRole(role)
                guard names.insert(Array(delegated.name.utf8)).inserted else {
                    throw role.error("name", "is delegated to twice")
                }
                named.append(delegated)
            }
            roles = .named(named)
        case (false, true):
            roles = .succinct(try SuccinctRoles(try fields.fields("succinct_roles")))
        default:
            throw fields.error("roles", "must be there, or succinct_roles, and not both")
        }
    }

    /// The roles to ask for `path`, in order, and whether the search ends behind each.
    public func roles(for path: String) -> [(name: String, terminating: Bool)] {
        switch roles {
        case .named(let named):
            let hash = TargetPath.hash(path)
            return named.filter { $0.covers(path, hash: hash) }.map { ($0.name, $0.terminating) }
        case .succinct(let bins):
            return [(bins.name(for: path), true)]
        }
    }

    /// The keys of a role that is delegated to and are there, and its threshold; nil if it is not delegated to.
    public func roleKeys(_ name: String) -> (keys: [String: TUFKey], threshold: Int)? {
        let named: RoleKeys
        switch roles {
        case .named(let roles):
            guard let role = roles.first(where: { $0.name.utf8.elementsEqual(name.utf8) }) else { return nil }
            named = role.keys
        case .succinct(let bins):
            guard bins.contains(name) else { return nil }
            named = bins.keys
        }
        return (keys.filter { named.keyIDs.contains($0.key) }, named.threshold)
    }

    /// The object, for writing.
    public var json: JSONValue {
        var object: JSONObject = ["keys": .object(JSONObject(keys.map { ($0.key, $0.value.json) }))]
        switch roles {
        case .named(let named): object["roles"] = .array(named.map(\.json))
        case .succinct(let bins): object["succinct_roles"] = bins.json
        }
        return .object(object)
    }
}
