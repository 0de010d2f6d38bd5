import CanonicalJSON
import MusterAPI
import TUF

/// Names a service's keys in root and top-level targets metadata, in place of those of the service before.
struct ServiceKeyReplacement: Sendable {
    let keys: ServiceDescription.Keys

    /// The signed part of `role` with these keys; everything else stays as it is.
    func applied(to signed: JSONObject, role: String) -> JSONObject {
        var signed = signed
        if role == "root" {
            guard case .object(var roles)? = signed["roles"], case .object(let known)? = signed["keys"] else {
                return signed
            }
            for (name, key) in [("snapshot", keys.snapshot), ("timestamp", keys.timestamp)] {
                roles[name] = .object(Self.naming(key, in: roles[name]))
            }
            signed["roles"] = .object(roles)
            signed["keys"] = .object(
                Self.keys(known, adding: [keys.snapshot, keys.timestamp], roles.members.map(\.value))
            )
            return signed
        }
        guard case .object(var delegations)? = signed["delegations"], case .array(let roles)? = delegations["roles"],
            case .object(let known)? = delegations["keys"]
        else { return signed }
        let own: [JSONValue: [UInt8]] = ["manifest": keys.manifest, "revocations": keys.revocations]
        let named = roles.map { role in
            guard case .object(let object) = role, let name = object["name"], let key = own[name] else { return role }
            return JSONValue.object(Self.naming(key, in: role))
        }
        delegations["roles"] = .array(named)
        delegations["keys"] = .object(Self.keys(known, adding: [keys.manifest, keys.revocations], named))
        signed["delegations"] = .object(delegations)
        return signed
    }

    private static func naming(_ key: [UInt8], in role: JSONValue?) -> JSONObject {
        var object = JSONObject()
        if case .object(let present)? = role { object = present }
        object["keyids"] = [.string(TUFKey(ed25519: key).id)]
        object["threshold"] = 1
        return object
    }

    /// The known keys and the added ones, without those that no role names any more.
    private static func keys(_ known: JSONObject, adding added: [[UInt8]], _ roles: [JSONValue]) -> JSONObject {
        var keys = known
        for key in added.map(TUFKey.init(ed25519:)) { keys[key.id] = key.json }
        var used: Set<JSONValue> = []
        for case .object(let role) in roles {
            if case .array(let ids)? = role["keyids"] { used.formUnion(ids) }
        }
        for id in keys.keys where !used.contains(.string(id)) { keys[id] = nil }
        return keys
    }
}
