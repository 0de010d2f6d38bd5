/// Words as a shell would want them, for reading only: nothing here ever goes to a shell.
enum CommandLineText {
    static func text(_ words: [String]) -> String {
        words.map { word in
            let isPlain = word.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7F && !"'\"\\$`;&|<>()*?#~!".utf8.contains($0) }
            return isPlain && !word.isEmpty ? word : "'" + word.replacing("'", with: "'\\''") + "'"
        }.joined(separator: " ")
    }
}
