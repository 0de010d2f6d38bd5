import ByteCoding
import CSodium
import CanonicalJSON
import MusterKeys

/// How a passphrase becomes a key: Argon2id with the file's own salt and costs.
public struct KeyDerivation: Hashable, Sendable {
    /// How much work and memory a guess costs.
    public struct Cost: Hashable, Sendable {
        /// Passes over the memory.
        public let operations: Int64
        /// Bytes of memory.
        public let memory: Int64

        /// A cost of these parts.
        public init(operations: Int64, memory: Int64) {
            self.operations = operations
            self.memory = memory
        }

        /// About a second and 256 MiB: what keys are sealed with unless told otherwise.
        public static let moderate = Cost(operations: 3, memory: 268_435_456)
        /// About a tenth of a second and 64 MiB.
        public static let interactive = Cost(operations: 2, memory: 67_108_864)
        /// The least there is, for tests: worth nothing against guessing.
        public static let minimal = Cost(operations: 1, memory: 8192)
    }

    /// Bounds of what is read from a file, so that no file can take all memory or hours.
    public static let operationRange: ClosedRange<Int64> = 1...16
    /// Bounds of the memory that a file may ask for: 8 KiB to 1 GiB.
    public static let memoryRange: ClosedRange<Int64> = 8192...1_073_741_824
    /// Bytes of a salt.
    static let saltLength = Int(crypto_pwhash_argon2id_SALTBYTES)

    /// How much a guess costs.
    public let cost: Cost
    let salt: [UInt8]

    init(cost: Cost, salt: [UInt8]) {
        self.cost = cost
        self.salt = salt
    }

    init(_ fields: JSONFields) throws(JSONError) {
        guard try fields.string("name", limit: 32) == Self.name else {
            throw fields.error("name", "is not \(Self.name)")
        }
        cost = Cost(
            operations: try fields.integer("operations", in: Self.operationRange),
            memory: try fields.integer("memory", in: Self.memoryRange)
        )
        salt = try fields.hex("salt", count: Self.saltLength)
    }

    var json: JSONValue {
        [
            "name": .string(Self.name), "operations": .integer(cost.operations), "memory": .integer(cost.memory),
            "salt": .string(Hex.encode(salt)),
        ]
    }

    /// The key of `count` bytes; an error where the machine has not the memory.
    func key(_ passphrase: Passphrase, count: Int) throws(SigningError) -> SecretBytes {
        var result: Int32 = -1
        let key = SecretBytes(count: count) { key in
            result = passphrase.secret.withBytes { text in
                text.withMemoryRebound(to: CChar.self, capacity: passphrase.secret.count) { text in
                    crypto_pwhash_argon2id(
                        key,
                        UInt64(count),
                        text,
                        UInt64(passphrase.secret.count),
                        salt,
                        UInt64(cost.operations),
                        Int(cost.memory),
                        Int32(crypto_pwhash_argon2id_ALG_ARGON2ID13)
                    )
                }
            }
        }
        guard result == 0 else {
            throw SigningError(
                .unavailable,
                "cannot derive a key from the passphrase: it takes \(cost.memory / 1_048_576) MiB of memory; free some"
            )
        }
        return key
    }

    private static let name = "argon2id13"
}
