import ByteCoding
import CanonicalJSON
import MusterModel
import MusterStore
import MusterSystem
import MusterTestSupport
import SignatureVerification

/// A fleet of today's programs in which a conversation takes place.
public struct Stage: Sendable {
    /// The fleet.
    public let fleet: FleetFixture
    /// What is known so far.
    public var variables: Variables

    /// Runs `body` in a new fleet of this setting.
    public static func run(
        _ setting: Conversation.Setting,
        _ body: @Sendable (inout Stage) async throws -> Void
    ) async throws {
        var placement = FleetPlacement()
        placement.serviceOptions += setting.serviceOptions
        let policy: @Sendable ([String]) -> String = { keys in
            let values = zip(setting.operators, keys).map { ("public:" + $0, JSONValue.string($1)) }
            // A policy that names somebody else is refused in words of its own.
            return (try? Variables(Dictionary(uniqueKeysWithValues: values)).fill(setting.policy)) ?? setting.policy
        }
        try await FleetFixture.run(operators: setting.operators, placement: placement, policy: policy) { fleet in
            var stage = Stage(fleet: fleet, variables: Variables(["fleet": .string(await fleet.fleet)]))
            try await body(&stage)
        }
    }

    /// Does what people do.
    public mutating func perform(_ act: OperatorAct) async throws {
        switch act {
        case .muster(let who, let words):
            try await fleet.muster(
                try words.map { word throws(Variables.Missing) in try variables.fill(word) },
                as: who
            )
        case .wait(let who, let words, let place, let value):
            try await wait(who, words, place, value)
        case .build(let name, let version):
            let file = try await fleet.build(TestPackage(name, version))
            variables["package:\(name) \(version)"] = .string(file)
            variables["passphrase"] = .string(fleet.passphrase.last ?? "")
        case .token(let who, let tag):
            let text = try await fleet.muster(["enroll", "token", "--tag", tag, "--uses", "1"], as: who)
            try fleet.folder.write("token", text.utf8)
            guard let token = EnrollmentToken(line: text) else {
                throw RunningProgram.Failure("'muster enroll token' printed no token")
            }
            variables["secret"] = .string(Hex.encode(token.secret))
            variables["secret_sha256"] = .string(Hex.encode(Digest.sha256(token.secret)))
        case .age(let hours):
            let path = fleet.folder.file("service/muster.db")
            try await fleet.restartService {
                let driver = try SQLiteDriver(path: path)
                _ = try await driver.write {
                    try $0.run(
                        "UPDATE nodes SET key_since = key_since - $1, key_expires = key_expires - $1",
                        [.integer(hours * 3_600_000)]
                    )
                }
                try driver.close()
            }
        }
    }

    private func wait(_ who: String, _ words: [String], _ place: JSONPlace, _ value: JSONValue) async throws {
        let words = try words.map { word throws(Variables.Missing) in try variables.fill(word) }
        var last: JSONValue = .null
        for _ in 0..<240 {
            last = try await fleet.json(words, as: who)
            if place.values(in: last) == [value] { return }
            try await Task.sleep(for: .milliseconds(500))
        }
        throw RunningProgram.Failure("\(place) of muster \(words) did not become \(value):\n\(last.prettyText)")
    }
}
