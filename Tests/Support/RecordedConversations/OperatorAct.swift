import CanonicalJSON

/// What people and time do while an agent talks with the service, so that the service has something to say.
public enum OperatorAct: Hashable, Sendable {
    /// An operator runs `muster` with these words.
    case muster(String, [String])
    /// An operator waits until what `muster … --json` prints has this value there.
    case wait(String, [String], JSONPlace, JSONValue)
    /// A test package of this name and version is built; its file is `${package:NAME VERSION}`.
    case build(name: String, version: String)
    /// A token is made for one node with this tag: `${secret}` and `${secret_sha256}`.
    case token(String, tag: String)
    /// The node keys grow older by so many hours, while the service is restarted.
    case age(hours: Int64)

    /// Reads an act.
    public init(_ fields: JSONFields) throws(JSONError) {
        if fields.has("build") {
            self = .build(name: try fields.string("build"), version: try fields.string("version"))
        } else if fields.has("age_hours") {
            self = .age(hours: try fields.integer("age_hours"))
        } else if fields.has("token_tag") {
            self = .token(try fields.string("operator"), tag: try fields.string("token_tag"))
        } else {
            let who = try fields.string("operator")
            let words = try fields.strings("muster", limit: 64)
            guard fields.has("until") else {
                self = .muster(who, words)
                return
            }
            self = .wait(who, words, JSONPlace(try fields.string("until")), try fields.value("is"))
        }
    }

    /// The act as it is stored.
    public var json: JSONValue {
        switch self {
        case .muster(let who, let words): ["operator": .string(who), "muster": Self.array(words)]
        case .wait(let who, let words, let place, let value):
            [
                "operator": .string(who), "muster": Self.array(words), "until": .string(place.description),
                "is": value,
            ]
        case .build(let name, let version): ["build": .string(name), "version": .string(version)]
        case .token(let who, let tag): ["operator": .string(who), "token_tag": .string(tag)]
        case .age(let hours): ["age_hours": .integer(hours)]
        }
    }

    private static func array(_ words: [String]) -> JSONValue { .array(words.map { .string($0) }) }
}
