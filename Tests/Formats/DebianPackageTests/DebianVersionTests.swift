import DebianPackage
import MusterSystem
import MusterTestSupport
import Testing

@Suite struct DebianVersionTests {
    @Test("a version is split into epoch, upstream and revision")
    func parts() throws {
        let version = try #require(DebianVersion("1:2.36-9+deb12u4"))
        #expect(version.epoch == 1)
        #expect(version.upstream == "2.36")
        #expect(version.revision == "9+deb12u4")
        #expect(version.withoutEpoch == "2.36-9+deb12u4")
        #expect(DebianVersion("1.0-rc1-2")?.upstream == "1.0-rc1")
    }

    @Test(
        "text that is no version is refused",
        arguments: [
            "", "a1", ":1", "x:1", "1:", "-1", "1-", "1.0-1_2", "1 0", "1/0", "2147483648:1", "1.0\n", "é",
            "1-" + String(repeating: "9", count: 255),
        ]
    )
    func refused(text: String) {
        #expect(DebianVersion(text) == nil)
    }

    @Test(
        "the order is dpkg's in the known hard cases",
        arguments: [
            ("1.0~rc1", "1.0"), ("1.0~~", "1.0~"), ("1.0", "1.0a"), ("1.0a", "1.0+"), ("9", "10"), ("1.0-1", "1:0.1-1"),
            ("1.0-1~bpo12", "1.0-1"), ("1.2.3", "1.2.3.1"), ("0.9", "0.10"), ("1", "1-1"),
        ]
    )
    func hardCases(low: String, high: String) throws {
        let (low, high) = (try #require(DebianVersion(low)), try #require(DebianVersion(high)))
        #expect(low < high)
        #expect(!(high < low))
        #expect(low != high)
    }

    @Test("leading zeros and an empty revision make no difference")
    func equal() {
        #expect(DebianVersion("1.0") == DebianVersion("0:1.00-0"))
    }

    /// One shell runs dpkg a few thousand times; each line of its output is the relation that holds.
    @Test("two thousand seeded pairs compare as the real dpkg compares them")
    func likeDpkg() async throws {
        var generator = SeededGenerator(seed: 42)
        let pairs = (0..<2000).map { _ in Self.pair(&generator) }
        let script = """
            while read a b; do
              if dpkg --compare-versions "$a" lt "$b"; then echo lt
              elif dpkg --compare-versions "$a" eq "$b"; then echo eq
              else echo gt; fi
            done
            """
        let input = pairs.map { "\($0) \($1)\n" }.joined()
        let result = try await Command("/bin/sh", ["-c", script], input: Array(input.utf8)).run(timeout: .seconds(300))
        let relations = result.outputText.split(separator: "\n")
        try #require(relations.count == pairs.count, "\(result.errorText)")
        for (pair, relation) in zip(pairs, relations) {
            let left = try #require(DebianVersion(pair.0))
            let right = try #require(DebianVersion(pair.1))
            #expect((left < right ? "lt" : left == right ? "eq" : "gt") == relation, "\(pair.0) and \(pair.1)")
        }
    }

    /// Two versions that differ in few places, so that every rule decides sometimes.
    private static func pair(_ generator: inout SeededGenerator) -> (String, String) {
        let alphabet = Array("0019aZ.+~-")
        func tail() -> [Character] {
            (0..<Int.random(in: 0...6, using: &generator)).compactMap { _ in alphabet.randomElement(using: &generator) }
        }
        func version(_ characters: [Character]) -> String {
            var text = String(characters)
            while text.hasSuffix("-") { text.removeLast() }
            return (Int.random(in: 0...9, using: &generator) == 0 ? "1:" : "") + text
        }
        let start: [Character] = ["1"] + tail()
        let left = start + tail()
        var right = start + tail()
        if Bool.random(using: &generator) {
            right = left
            if let character = alphabet.randomElement(using: &generator) {
                right.insert(character, at: Int.random(in: 1...right.count, using: &generator))
            }
        }
        return (version(left), version(right))
    }
}
