/// A pattern for names: `*` stands for any characters, `?` for one.
public struct GlobPattern: Hashable, Sendable, CustomStringConvertible {
    /// The pattern as it is written.
    public let text: String

    /// A pattern; nil for an empty one.
    public init?(_ text: String) {
        guard !text.isEmpty else { return nil }
        self.text = text
    }

    /// The pattern as it is written.
    public var description: String { text }

    /// Whether the whole name is like the pattern; at most as many steps as both lengths multiplied.
    public func matches(_ name: String) -> Bool {
        let pattern = Array(text.utf8)
        let name = Array(name.utf8)
        var place = (pattern: 0, name: 0)
        // Where to go on after the last star when what follows it does not fit.
        var star: (pattern: Int, name: Int)?
        while place.name < name.count {
            let byte = place.pattern < pattern.count ? pattern[place.pattern] : nil
            if byte == UInt8(ascii: "*") {
                star = place
                place.pattern += 1
            } else if byte == UInt8(ascii: "?") || byte == name[place.name] {
                place = (place.pattern + 1, place.name + 1)
            } else if let last = star {
                star = (last.pattern, last.name + 1)
                place = (last.pattern + 1, last.name + 1)
            } else {
                return false
            }
        }
        return pattern[place.pattern...].allSatisfy { $0 == UInt8(ascii: "*") }
    }
}
