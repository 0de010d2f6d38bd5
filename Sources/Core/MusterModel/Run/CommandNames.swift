import CanonicalJSON

/// The name of an approved command in the policy.
public struct CommandName: CheckedName {
    /// What it looks like.
    public static let form = "1 to 63 of a-z, 0-9, ., _ and -, beginning with a letter or digit"
    /// The name itself.
    public let text: String

    /// The name, or nil where `text` does not have the form.
    public init?(_ text: String) {
        guard Self.hasForm(text, others: "._-") else { return nil }
        self.text = text
    }
}

/// The name of a parameter of an approved command.
public struct ParameterName: CheckedName {
    /// What it looks like.
    public static let form = "1 to 63 of a-z, 0-9, _ and -, beginning with a letter or digit"
    /// The name itself.
    public let text: String

    /// The name, or nil where `text` does not have the form.
    public init?(_ text: String) {
        guard Self.hasForm(text, others: "_-") else { return nil }
        self.text = text
    }
}

/// A run's id, which is that of the statement that asked for it.
public typealias RunID = StatementID

/// What may stand in a process's environment.
public enum EnvironmentVariable {
    /// Most bytes of a value.
    public static let valueLimit = 4096

    /// Whether `name` is one: 1 to 128 of letters, digits and `_`, not beginning with a digit.
    public static func isName(_ name: String) -> Bool {
        guard let first = name.utf8.first, name.utf8.count <= 128, !isDigit(first) else { return false }
        return name.utf8.allSatisfy { byte in
            isDigit(byte) || byte == UInt8(ascii: "_") || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
        }
    }

    /// Whether the requester of a run may set `name` where the command allows it.
    ///
    /// Never what changes which code runs: the loader's, the shell's and the program search path's variables.
    public static func mayBeAsked(_ name: String) -> Bool {
        let forbidden: Set<String> = ["PATH", "GLIBC_TUNABLES", "BASH_ENV", "ENV", "IFS", "SHELLOPTS", "BASHOPTS"]
        return isName(name) && !name.utf8.starts(with: "LD_".utf8) && !forbidden.contains(name)
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
}
