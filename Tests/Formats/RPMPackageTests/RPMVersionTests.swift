import MusterSystem
import MusterTestSupport
import RPMPackage
import Testing

@Suite struct RPMVersionTests {
    @Test("a version is split into epoch, version and release")
    func parts() throws {
        let version = try #require(RPMVersion("2:1.0~rc1-3.fc40"))
        #expect(version.epoch == 2)
        #expect(version.version == "1.0~rc1")
        #expect(version.release == "3.fc40")
        #expect(version.withoutEpoch == "1.0~rc1-3.fc40")
        #expect(RPMVersion(epoch: 0, version: "1.0", release: "1")?.text == "1.0-1")
        #expect(RPMVersion(epoch: 7, version: "1.0", release: "1")?.text == "7:1.0-1")
    }

    @Test(
        "text that is no version is refused",
        arguments: [
            "", ":1", "x:1", "1:", "-1", "1-", "1-2-3", "1 0", "1/0", "4294967296:1-1", "1.0\n", "é",
            String(repeating: "9", count: 257),
        ]
    )
    func refused(text: String) {
        #expect(RPMVersion(text) == nil)
        #expect(RPMVersion(epoch: 1, version: "1-2", release: "1") == nil)
        #expect(RPMVersion(epoch: 1, version: "1", release: "") == nil)
    }

    @Test(
        "the order is rpm's in the known hard cases",
        arguments: [
            ("1.0~rc1-1", "1.0-1"), ("1.0-1", "1.0^git1-1"), ("1.0^git1-1", "1.0.1-1"), ("1.0~rc1-1", "1.0~rc1^1-1"),
            ("9-1", "10-1"), ("1.0-1", "1:0.1-1"), ("1.0a-1", "1.0.1-1"), ("2.0-1.el8", "2.0-1.el9"), ("a-1", "1-1"),
        ]
    )
    func hardCases(low: String, high: String) throws {
        let (low, high) = (try #require(RPMVersion(low)), try #require(RPMVersion(high)))
        #expect(low < high)
        #expect(!(high < low))
        #expect(low != high)
    }

    @Test("leading zeros, separators, an epoch of 0 and a release that is not given make no difference")
    func equal() {
        #expect(RPMVersion("1.0-1") == RPMVersion("0:1.00-1"))
        #expect(RPMVersion("1.0-1") == RPMVersion("1_0-1"))
        #expect(RPMVersion("1.0-1") == RPMVersion("1.0"))
        #expect(RPMVersion("1.0-1") != RPMVersion("1.0-2"))
    }

    /// One rpm compares them all, in its own Lua.
    @Test("five thousand seeded pairs compare as the real rpm compares them")
    func likeRPM() async throws {
        var generator = SeededGenerator(seed: 42)
        let pairs = (0..<5000).map { _ in Self.pair(&generator) }
        let folder = try TemporaryFolder()
        let path = try folder.write("pairs", pairs.map { "\($0) \($1)\n" }.joined().utf8)
        let script = """
            local relations = {}
            for line in io.lines("\(path)") do
              local blank = string.find(line, " ", 1, true)
              relations[#relations + 1] = rpm.vercmp(string.sub(line, 1, blank - 1), string.sub(line, blank + 1))
            end
            print(table.concat(relations, "\\n"))
            """
        let result = try await Command("/usr/bin/rpm", ["--eval", "%{lua:\(script)}"])
            .run(timeout: .seconds(300), outputLimit: 1 << 20)
        let relations = result.outputText.split(separator: "\n").compactMap { Int($0) }
        try #require(relations.count == pairs.count, "\(result.errorText)")
        for (pair, relation) in zip(pairs, relations) {
            let left = try #require(RPMVersion(pair.0))
            let right = try #require(RPMVersion(pair.1))
            #expect((left < right ? -1 : left == right ? 0 : 1) == relation, "\(pair.0) and \(pair.1)")
        }
    }

    /// Two versions that differ in few places, so that every rule decides sometimes.
    private static func pair(_ generator: inout SeededGenerator) -> (String, String) {
        let alphabet = Array("0019aZb._+~^~^.")
        func tail() -> [Character] {
            (0..<Int.random(in: 0...6, using: &generator)).compactMap { _ in alphabet.randomElement(using: &generator) }
        }
        func version(_ characters: [Character]) -> String {
            let epoch = Int.random(in: 0...9, using: &generator) == 0 ? "1:" : ""
            let release = ["1", "1", "01", "2", "1.fc40", "1~2"].randomElement(using: &generator) ?? "1"
            return epoch + String(characters) + "-" + release
        }
        let first = alphabet.randomElement(using: &generator) ?? "1"
        let start: [Character] = [first] + tail()
        let left = start + tail()
        var right = start + tail()
        if Bool.random(using: &generator) {
            right = left
            if let character = alphabet.randomElement(using: &generator) {
                right.insert(character, at: Int.random(in: 0...right.count, using: &generator))
            }
        }
        return (version(left), version(right))
    }
}
