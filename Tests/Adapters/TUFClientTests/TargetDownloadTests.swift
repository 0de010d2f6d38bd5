import MusterSystem
import MusterTestSupport
import SignatureVerification
import TUF
import TUFClient
import TUFTrust
import Testing

@Suite struct TargetDownloadTests {
    private let day = RepositorySimulator.day
    private let content = Array("the content of a package".utf8)

    private func fixture(
        _ path: String = "releases/a b.deb"
    ) async throws -> (ClientFixture, TrustedMetadata, TargetFile) {
        var repository = try RepositorySimulator()
        repository.add(path, content)
        try repository.publishTargets("targets")
        let fixture = try ClientFixture(repository)
        var trusted = try await fixture.client.refresh(at: day)
        let file = try #require(try await fixture.client.targetFile(path, in: &trusted))
        _ = fixture.server.requests()
        return (fixture, trusted, file)
    }

    @Test("a file is fetched by its hash, once")
    func right() async throws {
        let (fixture, trusted, file) = try await fixture()
        let download = try TargetDownload(file, in: trusted)
        let place = fixture.folder.path + "/downloads/file"
        #expect(try await download.run(from: fixture.server, to: place) == .downloaded)
        #expect(try fixture.folder.read("downloads/file") == content)
        #expect(
            fixture.server.requests() == ["targets/" + (TargetPath.address(of: file, consistentSnapshot: true) ?? "")]
        )
        #expect(try await download.run(from: fixture.server, to: place) == .alreadyThere)
        #expect(fixture.server.requests().isEmpty)
        #expect(try fixture.folder.names(in: "downloads") == ["file"])
    }

    @Test("arbitrary package, endless data, a file cut short: nothing is left behind, and what was there stays")
    func wrong() async throws {
        let (fixture, trusted, file) = try await fixture()
        let address = try #require(TargetPath.address(of: file, consistentSnapshot: true))
        let place = fixture.folder.path + "/file"
        try AtomicFile.write([7], to: place)
        let names = try fixture.folder.names()
        for (bytes, code) in [
            (content.reversed(), TUFTrustError.Code.wrongContent), (content + content, .tooLong),
            (Array(content.dropLast()), .wrongContent), ([], .wrongContent),
        ] {
            try fixture.server.change { $0.files["targets/" + address] = bytes }
            await #expect(throws: TUFClientError.trust(TUFTrustError(code, ""))) {
                try await TargetDownload(file, in: trusted).run(from: fixture.server, to: place)
            }
            #expect(try fixture.folder.read("file") == [7])
            #expect(try fixture.folder.names() == names)
        }
    }

    @Test("a changed file replaces the old one")
    func replaced() async throws {
        let (fixture, trusted, file) = try await fixture()
        let place = fixture.folder.path + "/file"
        try AtomicFile.write(content.reversed(), to: place)
        _ = try await TargetDownload(file, in: trusted).run(from: fixture.server, to: place)
        #expect(try fixture.folder.read("file") == content)
    }

    @Test("path traversal in a validly signed target path is refused", arguments: ["../x", "/x", "a//b"])
    func traversal(path: String) async throws {
        let (_, trusted, file) = try await fixture(path)
        #expect(throws: TUFClientError.trust(TUFTrustError(.unsafePath, ""))) { try TargetDownload(file, in: trusted) }
    }
}
