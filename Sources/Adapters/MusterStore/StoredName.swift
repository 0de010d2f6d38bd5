import MusterModel

/// Reads checked names back out of the register.
enum StoredName {
    /// The name, which was checked when it was written.
    static func read<Name: CheckedName>(_ text: String, as type: Name.Type = Name.self) throws(StoreError) -> Name {
        guard let name = Name(text) else {
            throw StoreError(.corrupt, "'\(text)' in the register is not \(Name.form)")
        }
        return name
    }
}
