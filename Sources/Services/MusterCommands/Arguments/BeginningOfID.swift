import MusterModel

/// Finds what a person means by an id or the beginning of one.
enum BeginningOfID {
    /// Fewest characters of a beginning.
    private static let least = 4

    /// The one of `ids` that begins so; `kind` is what has them, such as `run`.
    static func find(_ text: String, in ids: [StatementID], kind: String) throws -> StatementID {
        let matches = ids.filter { text.count >= least && $0.text.hasPrefix(text.lowercased()) }
        guard let match = matches.first else {
            throw CommandFailure.refused("there is no \(kind) '\(text)': see 'muster \(kind) list'")
        }
        guard matches.count == 1 else {
            throw CommandFailure.refused("'\(text)' begins the ids of \(matches.count) \(kind)s: give more of it")
        }
        return match
    }
}
