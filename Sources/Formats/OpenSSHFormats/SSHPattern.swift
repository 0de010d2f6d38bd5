/// OpenSSH's patterns: `*` stands for any bytes, `?` for one, a list is separated by commas, `!` in front takes away.
enum SSHPattern {
    /// Whether `text` fits a list: some entry fits, and none that takes away does.
    static func matches(_ text: String, list: String) -> Bool {
        var found = false
        for entry in list.utf8.split(separator: UInt8(ascii: ",")) {
            let takesAway = entry.first == UInt8(ascii: "!")
            guard matches(Array(text.utf8), Array(takesAway ? entry.dropFirst() : entry)) else { continue }
            if takesAway { return false }
            found = true
        }
        return found
    }

    /// Whether all of `text` fits; the work is at most the product of both lengths.
    static func matches(_ text: [UInt8], _ pattern: [UInt8]) -> Bool {
        var (at, position) = (0, 0)
        var retry: (at: Int, position: Int)?
        while at < text.count {
            if position < pattern.count, pattern[position] == UInt8(ascii: "*") {
                retry = (at, position)
                position += 1
            } else if position < pattern.count, pattern[position] == UInt8(ascii: "?") || pattern[position] == text[at]
            {
                at += 1
                position += 1
            } else if let last = retry {
                retry = (last.at + 1, last.position)
                at = last.at + 1
                position = last.position + 1
            } else {
                return false
            }
        }
        return pattern[position...].allSatisfy { $0 == UInt8(ascii: "*") }
    }
}
