import DebianPackage
import Glibc
import MusterModel
import MusterSystem
import MusterTestSupport
import Testing

@testable import PackageInstaller

@Suite("Sets of packages that are installed together") struct DebianSetTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    private func package(_ name: String, _ version: String, scripts: [String: String] = [:]) async throws -> OpenFile {
        var package = TestPackage(name, version)
        package.scripts = scripts
        let fileName = package.fileName.split(separator: ":").joined(separator: "%3a")
        return try OpenFile(try folder.write(version + "/" + fileName, try await package.build()))
    }

    private func set(_ packages: [OpenFile], name: String = "set.debs") throws -> OpenFile {
        let file = try OpenFile(folder.file(name), flags: O_RDWR | O_CREAT | O_TRUNC)
        try DebianSet.write(packages, to: file)
        return file
    }

    private func pair(_ version: String) async throws -> OpenFile {
        try set([try await package("server", version), try await package("client", version)], name: version + ".debs")
    }

    @Test("a set is what its first package is, with companions, and has a name of its own")
    func inspected() async throws {
        let package = try PackageFile.inspect(try await pair("1:2.0-1"))
        #expect(package.identity.description == "server 1:2.0-1 all")
        #expect(package.companions.map(\.description) == ["client 1:2.0-1 all"])
        #expect(package.fileName == "server_2.0-1_all.debs")
        #expect(package.matches(fileName: "server_1%3a2.0-1_all.debs"))
        #expect(!package.matches(fileName: "server_2.0-1_all.deb"))
    }

    @Test("tar lists a set, and the same packages make the same bytes")
    func plainTar() async throws {
        let packages = [try await package("server", "1.0"), try await package("client", "1.0")]
        let first = try set(packages, name: "first.debs")
        let second = try set(packages, name: "second.debs")
        let bytes = try BoundedFile.read(first.path, limit: 1 << 20)
        #expect(try BoundedFile.read(second.path, limit: 1 << 20) == bytes)
        let listed = try await Command("/bin/tar", ["-tf", first.path]).run(timeout: .seconds(30))
        #expect(listed.outputText == "server_1.0_all.deb\nclient_1.0_all.deb\n")
    }

    @Test("all packages of a set are installed by one run of dpkg, in whichever order they need, and go back together")
    func installed() async throws {
        let installer = DpkgInstaller(root: folder.file("root"))
        for version in ["1.0", "2.0", "1.0"] {
            try await installer.install(try await pair(version))
            let found = try await installer.versions(of: ["server", "client"])
            #expect(found == ["server": version, "client": version])
        }
    }

    @Test("a set goes back although a script of one of its packages that go fails")
    func failingScript() async throws {
        let installer = DpkgInstaller(root: folder.file("root"))
        let first = try await pair("1.0")
        try await installer.install(first)
        let client = try await package("client", "2.0", scripts: ["prerm": "exit 1"])
        try await installer.install(try set([try await package("server", "2.0"), client], name: "2.0.debs"))
        await #expect(throws: PackageError(.failed, "")) { try await installer.install(first) }
        try await installer.restore("server", from: first)
        #expect(try await installer.versions(of: ["server", "client"]) == ["server": "1.0", "client": "1.0"])
    }

    @Test("a set swapped after verification is not what gets installed")
    func swapped() async throws {
        let good = try await pair("1.0")
        _ = try PackageFile.inspect(good)
        let bad = try await pair("6.6.6")
        try AtomicFile.write(try BoundedFile.read(bad.path, limit: 1 << 20), to: good.path)
        let installer = DpkgInstaller(root: folder.file("root"))
        try await installer.install(good)
        #expect(try await installer.versions(of: ["server", "client"]) == ["server": "1.0", "client": "1.0"])
    }

    @Test("a set whose every byte of a header or end was changed, or that was cut off or lengthened, is refused")
    func damaged() async throws {
        let bytes = try BoundedFile.read(try await pair("1.0").path, limit: 1 << 20)
        func isRefused(_ bytes: [UInt8]) throws -> Bool {
            let file = try OpenFile(try folder.write("damaged.debs", bytes))
            return (try? PackageFile.inspect(file)) == nil
        }
        for position in 0..<PackageSetHeader.size {
            var changed = bytes
            changed[position] ^= 1
            #expect(try isRefused(changed), "byte \(position)")
        }
        for count in [1, 511, 512, 1023, 1024, 1025, bytes.count / 2, bytes.count - 1] {
            #expect(try isRefused(Array(bytes.dropLast(count))), "without the last \(count) bytes")
        }
        #expect(try isRefused(bytes + [0]))
        #expect(try isRefused(bytes + bytes))
        var ended = bytes
        ended[bytes.count - 1] = 1
        #expect(try isRefused(ended))
    }

    @Test("names that lead elsewhere, sets within sets, single packages and packages twice are refused")
    func refused() async throws {
        for name in [
            "../a.deb", "a/b.deb", ".deb", "x.rpm", "", "a\u{0}.deb", String(repeating: "a", count: 96) + ".deb",
        ] {
            #expect(PackageSetHeader(name: name, length: 10) == nil, "\(name)")
        }
        let server = try await package("server", "1.0")
        let alone = try set([server])
        #expect(throws: PackageError(.malformed, "")) { try PackageFile.inspect(alone) }
        let twice = try set([server, server])
        #expect(throws: PackageError(.malformed, "")) { try PackageFile.inspect(twice) }
        let inner = try OpenFile(
            try folder.write(
                "inner/client_1.0_all.deb",
                try BoundedFile.read(try await pair("1.0").path, limit: 1 << 20)
            )
        )
        let nested = try set([server, inner])
        #expect(throws: PackageError(.malformed, "")) { try PackageFile.inspect(nested) }
        let renamed = try OpenFile(
            try folder.write("other_1.0_all.deb", try BoundedFile.read(server.path, limit: 1 << 20))
        )
        let misnamed = try set([try await package("client", "1.0"), renamed])
        #expect(throws: PackageError(.malformed, "")) { try PackageFile.inspect(misnamed) }
    }

    @Test("a set of seventeen packages is too large")
    func tooMany() async throws {
        let packages = try await (0..<17).asyncMap { try await package("p\($0)", "1.0") }
        let set = try set(packages)
        #expect(throws: PackageError(.tooLarge, "")) { try PackageFile.inspect(set) }
    }

    @Test("what cannot be unpacked has changed nothing")
    func untouched() async throws {
        let file = try OpenFile(
            try folder.write(
                "half.debs",
                try BoundedFile.read(try await pair("1.0").path, limit: 1 << 20).dropLast(600)
            )
        )
        let installer = DpkgInstaller(root: folder.file("root"))
        await #expect(throws: PackageError(.unavailable, "")) { try await installer.install(file) }
        #expect(try await installer.state(of: "server") == .absent)
    }
}

extension Sequence {
    fileprivate func asyncMap<Result>(_ transform: (Element) async throws -> Result) async rethrows -> [Result] {
        var results: [Result] = []
        for element in self { results.append(try await transform(element)) }
        return results
    }
}
