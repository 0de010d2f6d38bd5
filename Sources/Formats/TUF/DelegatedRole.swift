import ByteCoding
import CanonicalJSON

/// One role that is delegated to, and for which paths it may speak.
public struct DelegatedRole: Sendable, Equatable {
    /// For which files a role may speak.
    public enum Scope: Sendable, Equatable {
        /// Patterns, whose `*` and `?` do not cross `/`.
        case paths([String])
        /// Beginnings of the hexadecimal SHA-256 of the path.
        case hashPrefixes([String])
    }

    /// The name, which is never one of the top-level roles; any text, never a path on disk.
    public let name: String
    /// Its keys and threshold.
    public let keys: RoleKeys
    /// Whether roles further down are not asked once this one covers a path.
    public let terminating: Bool
    /// For which files it may speak.
    public let scope: Scope

    /// A role that is being delegated to.
    public init(name: String, keys: RoleKeys, terminating: Bool, scope: Scope) {
        self.name = name
        self.keys = keys
        self.terminating = terminating
        self.scope = scope
    }

    /// Reads an entry of `roles`.
    public init(_ fields: JSONFields) throws(JSONError) {
        name = try fields.roleName("name")
        keys = try RoleKeys(fields)
        terminating = try fields.bool("terminating")
        switch (fields.has("paths"), fields.has("path_hash_prefixes")) {
        case (true, false): scope = .paths(try fields.strings("paths", limit: 4096))
        case (false, true):
            let prefixes = try fields.strings("path_hash_prefixes", limit: 65_536, each: 64)
            guard prefixes.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy(Self.isHexDigit) }) else {
                throw fields.error("path_hash_prefixes", "are not lower-case hexadecimal digits")
            }
            scope = .hashPrefixes(prefixes)
        default: throw fields.error("paths", "must be there, or path_hash_prefixes, and not both")
        }
    }

    /// Whether the role may speak for `path`, whose hexadecimal SHA-256 is `hash`.
    func covers(_ path: String, hash: String) -> Bool {
        switch scope {
        case .paths(let patterns): patterns.contains { TargetPath.matches(path, pattern: $0) }
        case .hashPrefixes(let prefixes): prefixes.contains { hash.utf8.starts(with: $0.utf8) }
        }
    }

    var json: JSONValue {
        var object = keys.json
        object["name"] = .string(name)
        object["terminating"] = .bool(terminating)
        switch scope {
        case .paths(let patterns): object["paths"] = .array(patterns.map(JSONValue.string))
        case .hashPrefixes(let prefixes): object["path_hash_prefixes"] = .array(prefixes.map(JSONValue.string))
        }
        return .object(object)
    }

    private static func isHexDigit(_ byte: UInt8) -> Bool {
        byte &- UInt8(ascii: "0") < 10 || byte &- UInt8(ascii: "a") < 6
    }
}

extension JSONFields {
    /// The name of a delegated role.
    func roleName(_ key: String) throws(JSONError) -> String {
        let name = try string(key, limit: 512)
        guard !name.isEmpty, Root.Role(rawValue: name) == nil else {
            throw error(key, "is empty or the name of a top-level role")
        }
        return name
    }
}
