import CanonicalJSON

/// What tests look for in a document, nil where something else is there.
extension JSONValue {
    /// The text of a string.
    public var text: String? { if case .string(let text) = self { text } else { nil } }

    /// The number of an integer.
    public var number: Int64? { if case .integer(let number) = self { number } else { nil } }

    /// The elements of an array; none where it is no array.
    public var elements: [JSONValue] { if case .array(let elements) = self { elements } else { [] } }
}
