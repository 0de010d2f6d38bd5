import ByteCoding

/// Who a node is on the tailnet, as the register remembers it.
public struct TailnetBinding: Hashable, Sendable {
    /// What the tailnet knows it by through every change of key; `address:IP` where no tailnet says who it is.
    public let id: String
    /// The tailnet's key of it when it last proved itself; empty where there is none.
    public let key: String
    /// Its name on the tailnet then.
    public let name: String
    /// When that key was first seen.
    public var keySince: UTCTime?

    /// A binding.
    public init(id: String, key: String, name: String, keySince: UTCTime?) {
        self.id = id
        self.key = key
        self.name = name
        self.keySince = keySince
    }

    /// A binding out of its columns; nil where they are NULL.
    init?(id: String?, _ key: String?, _ name: String?) {
        guard let id else { return nil }
        self.init(id: id, key: key ?? "", name: name ?? "", keySince: nil)
    }
}
