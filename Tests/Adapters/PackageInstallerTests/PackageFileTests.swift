import DebianPackage
import MusterModel
import MusterSystem
import MusterTestSupport
import SignatureVerification
import Testing

@testable import PackageInstaller

@Suite struct PackageFileTests {
    static let control = Array(
        "Package: probe\nVersion: 1.0\nArchitecture: all\nMaintainer: T <t@example.com>\nDescription: probe\n".utf8
    )
    static let version = (name: "debian-binary", bytes: Array("2.0\n".utf8))

    @Test("a package that dpkg-deb built is read, whatever its compression", arguments: ["gzip", "xz", "zstd"])
    func real(compression: String) async throws {
        var package = TestPackage("probe", "1:2.0-3")
        package.compression = compression
        package.scripts = ["postinst": "exit 0"]
        let bytes = try await package.build()
        let file = try Self.file(bytes)
        let inspected = try PackageFile.inspect(file)
        #expect(inspected.identity.description == "probe 1:2.0-3 all")
        #expect(inspected.length == Int64(bytes.count))
        #expect(inspected.sha256 == Digest.sha256(bytes))
        #expect(inspected.control?["Maintainer"] == "Tests <tests@example.com>")
    }

    @Test("a control member whose compressed bytes were changed is never read as another package")
    func changedControl() async throws {
        var package = TestPackage("probe", "1.0")
        // The checksum of gzip is one that libarchive does not compare.
        package.compression = "xz"
        let bytes = try await package.build()
        // The control member follows the ar header, debian-binary and its own header of 60 bytes.
        let start = 8 + 60 + 4 + 60
        let field = String(decoding: bytes[(start - 12)..<(start - 2)], as: UTF8.self)
        let length = try #require(Int(field.prefix { $0 != " " }))
        for position in start..<(start + length) {
            for bit in [0, 3, 6] {
                var changed = bytes
                changed[position] ^= 1 << UInt8(bit)
                if let read = try? PackageFile.inspect(try Self.file(changed)) {
                    #expect(read.identity.description == "probe 1.0 all", "bit \(bit) of byte \(position)")
                }
            }
        }
    }

    @Test("a package cut off at any place, or with a byte flipped in its data, is refused or read whole, never half")
    func damaged() async throws {
        var package = TestPackage("probe", "1.0")
        package.compression = "xz"
        let bytes = try await package.build()
        for end in stride(from: 0, to: bytes.count - 1, by: 7) {
            let file = try Self.file(Array(bytes[..<end]))
            #expect(throws: PackageError.self, "cut at \(end)") { try PackageFile.inspect(file) }
        }
        var generator = SeededGenerator(seed: 3)
        for _ in 0..<300 {
            var changed = bytes
            changed[Int.random(in: 0..<bytes.count, using: &generator)] ^=
                1 << UInt8.random(in: 0...7, using: &generator)
            if let package = try? PackageFile.inspect(try Self.file(changed)) {
                #expect(package.identity.name == "probe")
            }
        }
    }

    @Test("the members must be there, in order, once, in a known compression")
    func members() async throws {
        let control = try await Self.controlMember()
        let data = ("data.tar", ArchiveBuilder.tar([]))
        let wrong: [(String, [(String, [UInt8])])] = [
            ("no version", [control, data]),
            ("wrong version", [("debian-binary", Array("3.0\n".utf8)), control, data]),
            ("long version", [("debian-binary", Array("2.0\nmore\n".utf8)), control, data]),
            ("no control", [Self.version, data]),
            ("control twice", [Self.version, control, control, data]),
            ("data first", [Self.version, data, control]),
            ("no data", [Self.version, control]),
            ("unknown member", [Self.version, control, data, ("extra", [1])]),
            ("data twice", [Self.version, control, data, data]),
            (
                "uncompressed control",
                [Self.version, ("control.tar", ArchiveBuilder.tar([("control", Self.control)])), data]
            ),
            ("other compression", [Self.version, ("control.tar.xz", control.1), data]),
            ("nothing", []),
        ]
        for (what, members) in wrong {
            let error = #expect(throws: PackageError.self, "\(what)") {
                try PackageFile.inspect(try Self.file(ArchiveBuilder.ar(members.map { (name: $0.0, bytes: $0.1) })))
            }
            #expect(error?.code == .malformed, "\(what): \(error?.message ?? "")")
        }
        let signed = ArchiveBuilder.ar([
            Self.version, (name: control.0, bytes: control.1), (name: data.0, bytes: data.1),
            (name: "_gpgorigin", bytes: [1, 2]),
        ])
        #expect(try PackageFile.inspect(try Self.file(signed)).identity.name == "probe")
    }

    @Test(
        "path traversal in archive names is refused",
        arguments: ["../etc/passwd", "/etc/passwd", "a/../../b", "./../x", "a//b", "a/./b", ".."]
    )
    func traversal(path: String) async throws {
        let data = ArchiveBuilder.tar([(path, [1])])
        let error = try await Self.refusal(data: data)
        #expect(error?.message.contains("path") == true, "\(error?.message ?? "accepted")")
        #expect(throws: PackageError.self) { try ArchiveEntry.checked(Array(path.utf8)) }
    }

    @Test("a hard link to a file outside is refused, a path with ./ in front is not")
    func links() async throws {
        let link = ArchiveBuilder.tar([("./a", []), ("./b", [])], link: ["./b": "../../etc/shadow"])
        #expect(try await Self.refusal(data: link)?.code == .malformed)
        #expect(try await Self.refusal(data: ArchiveBuilder.tar([("./", []), ("./a/", []), ("./a/b", [1])])) == nil)
    }

    @Test("what control.tar holds besides plain files at its top is refused")
    func controlContent() async throws {
        let cases = [
            [("./control", Self.control), ("./control", Self.control)],
            [("./sub/control", Self.control)],
            [("./sub/", []), ("./control", Self.control)],
            [("./postinst", [1])],
            [("./control", Array("Package: probe\n".utf8))],
            [("./control", Array("Package: probe\nPackage: other\nVersion: 1\nArchitecture: all\n".utf8))],
        ]
        for entries in cases {
            let member = try await ArchiveBuilder.compressed(ArchiveBuilder.tar(entries))
            let archive = ArchiveBuilder.ar([
                Self.version, ("control.tar.gz", member), ("data.tar", ArchiveBuilder.tar([])),
            ])
            let error = #expect(throws: PackageError.self) { try PackageFile.inspect(try Self.file(archive)) }
            #expect(error?.code == .malformed)
        }
    }

    @Test(
        "archive bombs are refused: in data, in control, and a control file that is too long",
        arguments: ["gzip", "xz"]
    )
    func bombs(program: String) async throws {
        let suffix = program == "gzip" ? "gz" : "xz"
        let zeros = ArchiveBuilder.tar([("zeros", [UInt8](repeating: 0, count: 65 << 20))])
        let bomb = try await ArchiveBuilder.compressed(zeros, by: program)
        let control = try await Self.controlMember()
        let inData = ArchiveBuilder.ar([Self.version, (control.0, control.1), ("data.tar.\(suffix)", bomb)])
        let error = #expect(throws: PackageError.self) { try PackageFile.inspect(try Self.file(inData)) }
        #expect(error?.code == .tooLarge)

        let small = try await ArchiveBuilder.compressed(
            ArchiveBuilder.tar([("zeros", [UInt8](repeating: 0, count: 17 << 20))]),
            by: program
        )
        let inControl = ArchiveBuilder.ar([
            Self.version, ("control.tar.\(suffix)", small), ("data.tar", ArchiveBuilder.tar([])),
        ])
        #expect(throws: PackageError(.tooLarge, "")) { try PackageFile.inspect(try Self.file(inControl)) }

        let long = Self.control + Array("X: ".utf8) + [UInt8](repeating: 0x61, count: 300_000)
        let member = try await ArchiveBuilder.compressed(ArchiveBuilder.tar([("control", long)]), by: program)
        let longControl = ArchiveBuilder.ar([
            Self.version, ("control.tar.\(suffix)", member), ("data.tar", ArchiveBuilder.tar([])),
        ])
        #expect(throws: PackageError(.tooLarge, "")) { try PackageFile.inspect(try Self.file(longControl)) }
    }

    // MARK: -

    private static func file(_ bytes: [UInt8]) throws -> OpenFile {
        let folder = try TemporaryFolder()
        // The open file outlives its name, and the folder.
        return try OpenFile(try folder.write("package.deb", bytes))
    }

    private static func controlMember() async throws -> (String, [UInt8]) {
        ("control.tar.gz", try await ArchiveBuilder.compressed(ArchiveBuilder.tar([("./control", control)])))
    }

    private static func refusal(data: [UInt8]) async throws -> PackageError? {
        let control = try await controlMember()
        let archive = ArchiveBuilder.ar([version, (control.0, control.1), ("data.tar", data)])
        do {
            _ = try PackageFile.inspect(try file(archive))
            return nil
        } catch let error as PackageError {
            return error
        }
    }
}
