/// The words of a command line that no shell reads.
public enum CommandWords {
    /// Words parted by spaces; quotes keep them together, as a shell would; nil where a quote is not closed.
    public static func split(_ text: String) -> [String]? {
        var words: [String] = []
        var word = ""
        var isOpen = false
        var quote: Character?
        for character in text {
            switch character {
            case quote: quote = nil
            case "'" where quote == nil, "\"" where quote == nil:
                quote = character
                isOpen = true
            case " " where quote == nil:
                if isOpen { words.append(word) }
                word = ""
                isOpen = false
            default:
                word.append(character)
                isOpen = true
            }
        }
        guard quote == nil else { return nil }
        if isOpen { words.append(word) }
        return words
    }
}
