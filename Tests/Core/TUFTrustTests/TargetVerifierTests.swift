import MusterTestSupport
import SignatureVerification
import TUF
import TUFTrust
import Testing

@Suite struct TargetVerifierTests {
    private let content = Array("the package".utf8)

    private func verify(_ pieces: [[UInt8]], _ file: TargetFile? = nil) throws(TUFTrustError) {
        var verifier = try TargetVerifier(file ?? TargetFile(path: "p", content: content))
        for piece in pieces { try verifier.update(piece) }
        try verifier.finish()
    }

    @Test("the signed content is taken, in whatever pieces it comes")
    func right() throws {
        try verify([content])
        try verify(content.map { [$0] } + [[]])
        try verify([], TargetFile(path: "empty", content: []))
    }

    @Test("arbitrary package: another content of the same length is refused")
    func arbitrary() throws {
        #expect(throws: TUFTrustError.of(.wrongContent)) { try verify([content.reversed()]) }
    }

    @Test("endless data: the first byte too many is refused")
    func endless() throws {
        #expect(throws: TUFTrustError.of(.tooLong)) { try verify([content, [0]]) }
        #expect(throws: TUFTrustError.of(.tooLong)) { try verify([content + content]) }
    }

    @Test("a file that ends early is refused")
    func short() throws {
        #expect(throws: TUFTrustError.of(.wrongContent)) { try verify([Array(content.dropLast())]) }
    }

    @Test("every hash that can be checked must match")
    func bothHashes() throws {
        let sha256 = Digest.sha256(content)
        let sha512 = Digest.sha512(content)
        let length = Int64(content.count)
        try verify([content], TargetFile(path: "p", length: length, hashes: FileHashes(sha256: sha256, sha512: sha512)))
        try verify([content], TargetFile(path: "p", length: length, hashes: FileHashes(sha256: nil, sha512: sha512)))
        #expect(throws: TUFTrustError.of(.wrongContent)) {
            try verify(
                [content],
                TargetFile(
                    path: "p",
                    length: length,
                    hashes: FileHashes(sha256: sha256, sha512: [UInt8](repeating: 0, count: 64))
                )
            )
        }
        #expect(throws: TUFTrustError.of(.wrongContent)) {
            try verify([content], TargetFile(path: "p", length: length, hashes: FileHashes(sha256: nil)))
        }
    }
}
