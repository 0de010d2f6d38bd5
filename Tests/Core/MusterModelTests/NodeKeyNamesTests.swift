import MusterModel
import MusterTestSupport
import Testing

/// What a node's key says of the node, to people and to other programs.
@Suite struct NodeKeyNamesTests {
    /// Every node that runs today has such an id: it must never be made otherwise.
    @Test("the id of a node is made of the key that it joined with")
    func id() throws {
        let key = [UInt8](repeating: 0, count: 32)
        // printf '\0%.0s' $(seq 32) | sha256sum
        #expect(NodeID(joiningWith: key)?.text == "node-66687aadf862bd77")
    }

    @Test("the code of a key is twelve characters that people do not mix up, and another one for each key")
    func code() {
        var codes: Set<String> = []
        for number in 0..<500 {
            let key = TestKey("key \(number)").publicKey
            let code = EnrollmentCode.text(of: key)
            codes.insert(code)
            let parts = code.split(separator: "-", omittingEmptySubsequences: false)
            #expect(parts.map(\.utf8.count) == [4, 4, 4])
            #expect(EnrollmentCode.hasForm(code) && !EnrollmentCode.hasForm(code.lowercased()))
            #expect(!code.contains { "IO01".contains($0) })
            #expect(EnrollmentCode.matches(code, key))
            #expect(EnrollmentCode.matches(code.lowercased().filter { $0 != "-" }, key))
        }
        #expect(codes.count == 500)
    }

    @Test("a part of a code, or more than one, is no code")
    func others() {
        let key = TestKey("key").publicKey
        let code = EnrollmentCode.text(of: key)
        for text in ["", "-", String(code.prefix(9)), code + "A", " " + code, TestKey("other").publicKey.description] {
            #expect(!EnrollmentCode.matches(text, key), "\(text)")
        }
        #expect(!EnrollmentCode.matches(EnrollmentCode.text(of: TestKey("other").publicKey), key))
    }
}
