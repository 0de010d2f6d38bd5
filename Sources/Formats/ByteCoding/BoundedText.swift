extension String {
    /// The text, cut at its end to at most `limit` bytes of UTF-8; no character is cut in two.
    public func bounded(_ limit: Int) -> String {
        guard utf8.count > limit else { return self }
        var text = ""
        var length = 0
        for character in self {
            length += character.utf8.count
            guard length <= limit else { break }
            text.append(character)
        }
        return text
    }
}
