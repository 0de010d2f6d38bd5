extension String {
    /// The text, cut at its end to at most `limit` bytes of UTF-8.
    ///
    /// No character is cut in two, but for a first one that is longer than all that may be: one can be of any length.
    public func bounded(_ limit: Int) -> String {
        guard utf8.count > limit else { return self }
        var end = startIndex
        var length = 0
        for index in indices {
            length += self[index].utf8.count
            guard length <= limit else { break }
            end = self.index(after: index)
        }
        return end == startIndex ? boundedByScalars(limit) : String(self[..<end])
    }

    private func boundedByScalars(_ limit: Int) -> String {
        var scalars = String.UnicodeScalarView()
        var length = 0
        for scalar in unicodeScalars {
            length += scalar.utf8.count
            guard length <= limit else { break }
            scalars.append(scalar)
        }
        return String(scalars)
    }
}
