import CanonicalJSON
import SignatureVerification

/// Succinct hash bins (TAP 15): 2^`bitLength` roles with the same keys, told apart by the first bits of a path's SHA-256.
///
/// Their names are `<prefix>-<bin>`, the bin in hexadecimal with leading zeros; each of them ends the search.
public struct SuccinctRoles: Sendable, Equatable {
    /// Keys and threshold of every bin.
    public let keys: RoleKeys
    /// How many bits choose the bin, 1 to 32.
    public let bitLength: Int
    /// What the names begin with.
    public let namePrefix: String

    /// Bins that are being delegated to.
    public init(keys: RoleKeys, bitLength: Int, namePrefix: String) {
        self.keys = keys
        self.bitLength = bitLength
        self.namePrefix = namePrefix
    }

    /// Reads a `succinct_roles` object.
    public init(_ fields: JSONFields) throws(JSONError) {
        keys = try RoleKeys(fields)
        bitLength = Int(try fields.integer("bit_length", in: 1...32))
        namePrefix = try fields.roleName("name_prefix")
    }

    /// The name of the bin that speaks for `path`.
    public func name(for path: String) -> String {
        let bits = Digest.sha256(Array(path.utf8)).prefix(4).reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        return name(ofBin: bits >> UInt32(32 - bitLength))
    }

    /// The name of a bin.
    public func name(ofBin bin: UInt32) -> String {
        let digits = String(bin, radix: 16)
        return namePrefix + "-" + String(repeating: "0", count: max(0, suffixLength - digits.count)) + digits
    }

    /// Whether a name is the name of a bin.
    public func contains(_ name: String) -> Bool {
        let prefix = namePrefix + "-"
        guard name.utf8.starts(with: prefix.utf8),
            let bin = UInt32(String(decoding: name.utf8.dropFirst(prefix.utf8.count), as: UTF8.self), radix: 16)
        else { return false }
        return UInt64(bin) < 1 << UInt64(bitLength) && self.name(ofBin: bin).utf8.elementsEqual(name.utf8)
    }

    var json: JSONValue {
        var object = keys.json
        object["bit_length"] = .integer(Int64(bitLength))
        object["name_prefix"] = .string(namePrefix)
        return .object(object)
    }

    private var suffixLength: Int { (bitLength + 3) / 4 }
}
