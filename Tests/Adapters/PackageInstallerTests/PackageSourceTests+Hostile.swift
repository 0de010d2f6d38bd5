import MusterModel
import MusterSystem
import MusterTestSupport
import Testing

@testable import PackageInstaller

extension PackageSourceTests {
    @Suite("Tarballs that want out") struct Hostile {
        private let fixture: SourceFixture

        init() throws { fixture = try SourceFixture() }

        /// What each attack is, and the archive that makes it.
        static let attacks: [(String, @Sendable (inout TarBuilder) -> Void)] = [
            ("path traversal", { $0.file("probe-1/../../evil") }),
            ("absolute path", { $0.file("/tmp/evil") }),
            ("dot path", { $0.file("probe-1/./../evil") }),
            ("absolute link", { $0.link("probe-1/a", to: "/etc/shadow") }),
            ("link that leads out", { $0.link("probe-1/a", to: "../evil") }),
            ("link that leads out from below", { $0.link("probe-1/d/a", to: "../../evil") }),
            ("link that goes up behind a name", { $0.link("probe-1/a", to: "b/../../evil") }),
            (
                "file through a link, behind slashes that are no characters of their own",
                {
                    $0.link("probe-1/p/q/s\u{600}", to: "../..")
                    $0.link("probe-1/p/q/s\u{600}/L\u{600}", to: "../../evil")
                    $0.file("probe-1/p/q/s\u{600}/L\u{600}/evil")
                }
            ),
            ("link that leads out, by slashes that are no characters", { $0.link("probe-1/a", to: "../\u{301}evil") }),
            ("absolute link, by a slash that is no character", { $0.link("probe-1/a", to: "/\u{301}evil") }),
            ("link without a target", { $0.link("probe-1/a", to: "") }),
            (
                "file through a link",
                {
                    $0.folder("probe-1/d/")
                    $0.link("probe-1/a", to: "d")
                    $0.file("probe-1/a/evil")
                }
            ),
            (
                "file over a link",
                {
                    $0.link("probe-1/a", to: "b")
                    $0.file("probe-1/a")
                }
            ),
            (
                "folder over a link",
                {
                    $0.link("probe-1/a", to: "b")
                    $0.folder("probe-1/a/")
                }
            ),
            (
                "file below a file",
                {
                    $0.file("probe-1/a")
                    $0.file("probe-1/a/b")
                }
            ),
            (
                "a path twice",
                {
                    $0.file("probe-1/a")
                    $0.file("probe-1/a")
                }
            ),
            ("hard link to the outside", { $0.hardLink("probe-1/a", to: "../../etc/shadow") }),
            ("hard link to an absolute path", { $0.hardLink("probe-1/a", to: "/etc/shadow") }),
            ("hard link to nothing", { $0.hardLink("probe-1/a", to: "probe-1/b") }),
            (
                "hard link to a link",
                {
                    $0.link("probe-1/b", to: "c")
                    $0.hardLink("probe-1/a", to: "probe-1/b")
                }
            ),
            ("character device", { $0.add("probe-1/a", "3") }),
            ("block device", { $0.add("probe-1/a", "4") }),
            ("pipe", { $0.add("probe-1/a", "6") }),
            ("setuid program", { $0.file("probe-1/a", mode: 0o4755) }),
            ("setgid program", { $0.file("probe-1/a", mode: 0o2755) }),
            (
                "two folders",
                {
                    $0.file("probe-1/a")
                    $0.file("other-1/a")
                }
            ),
            ("a file beside the folder", { $0.file("evil") }),
            ("a folder without a version", { $0.file("probe/a") }),
            ("a folder with another's name", { $0.file("Probe-1/a") }),
            ("a name that is not UTF-8", { $0.file(bytes: Array("probe-1/a".utf8) + [0xE9]) }),
            (
                "hard link to a name that is not UTF-8",
                {
                    $0.file("probe-1/\u{FFFD}")
                    $0.hardLink("probe-1/a", toBytes: Array("probe-1/".utf8) + [0xE9])
                }
            ),
            ("nothing", { _ in }),
        ]

        @Test("is refused, be it inspected or installed, and nothing comes of it", arguments: attacks.indices)
        func refused(index: Int) async throws {
            let (what, build) = Self.attacks[index]
            var tar = TarBuilder()
            if !what.hasPrefix("a folder"), what != "nothing" { tar.folder("probe-1/") }
            build(&tar)
            let file = try fixture.file("probe-1.tar.gz", try await ArchiveBuilder.compressed(tar.archive))
            let error = #expect(throws: PackageError.self, "\(what)") { try PackageFile.inspect(file) }
            #expect(error?.code == .malformed, "\(what): \(error?.message ?? "")")
            let installer = TarballInstaller(root: fixture.root, limits: SourceFixture.limits)
            await #expect(throws: PackageError(.malformed, ""), "\(what)") { try await installer.install(file) }
            #expect(try fixture.folder.names(in: "root").isEmpty, "\(what)")
        }

        @Test("names that only look the same are two files, and two folders with modes of their own")
        func sameText() async throws {
            var tar = TarBuilder()
            tar.folder("probe-1/")
            for name in ["e\u{301}", "\u{E9}"] { tar.file("probe-1/" + name) }
            let file = try fixture.file("probe-1.tar.gz", try await ArchiveBuilder.compressed(tar.archive))
            #expect(try PackageFile.inspect(file).identity.name == "probe")
            let tree = TarballTree(fixture.folder.file("tree"))
            try tree.folder("", permissions: nil)
            try tree.folder("e\u{301}", permissions: 0o700)
            try tree.folder("\u{E9}", permissions: 0o755)
            try tree.finish()
            #expect(try fixture.folder.names(in: "tree").count == 2)
        }

        @Test("links that stay within are kept as they are")
        func allowed() throws {
            for (target, path) in [("../b", "d/a"), ("./b/../c", ""), ("b/c", "a"), (".", "a"), ("../../b", "d/e/a")] {
                let isKept = (try? TarballArchive.checkedLink(Array(target.utf8), at: path)) == target
                #expect(isKept == (target != "./b/../c"), "\(target)")
            }
        }

        @Test("archive bombs are refused", arguments: ["gzip", "xz", "zstd", "bzip2"])
        func bomb(program: String) async throws {
            var tar = TarBuilder()
            tar.add("probe-1/zeros", "0", content: [UInt8](repeating: 0, count: 66 << 20))
            let file = try fixture.file("probe-1.tar", try await ArchiveBuilder.compressed(tar.archive, by: program))
            #expect(throws: PackageError(.tooLarge, "")) { try PackageFile.inspect(file) }
            let installer = TarballInstaller(root: fixture.root, limits: SourceFixture.limits)
            await #expect(throws: PackageError(.tooLarge, "")) { try await installer.install(file) }
            #expect(try fixture.folder.names(in: "root").isEmpty)
        }

        @Test("a tarball with changed bytes is refused or read whole, and never leaves anything beside the root's /opt")
        func damaged() async throws {
            var tar = TarBuilder()
            tar.folder("probe-1/")
            for index in 0..<5 { tar.file("probe-1/\(index)", "content of \(index)") }
            tar.link("probe-1/link", to: "0")
            var generator = SeededGenerator(seed: 21)
            let installer = TarballInstaller(root: fixture.root, limits: SourceFixture.limits)
            var installed = 0
            for round in 0..<300 {
                if round % 20 == 0 { await Task.yield() }
                let file = try fixture.file("probe-1.tar", generator.mutated(tar.archive))
                guard let package = try? PackageFile.inspect(file), package.identity.format == .tar else { continue }
                guard installed < 10 else { continue }
                installed += 1
                do {
                    try await installer.install(file)
                } catch {
                    Issue.record("it was inspected, and is not installed: \(error)")
                }
            }
            #expect(try fixture.folder.names(in: "root").allSatisfy { $0 == "opt" })
            #expect(try fixture.folder.names() == ["files", "root"])
        }

        @Test("files of no known format are refused", arguments: ["", "hello", "PK\u{3}\u{4}zip", "!<arch>"])
        func unknown(text: String) throws {
            let file = try fixture.file("probe", Array(text.utf8))
            #expect(throws: PackageError(.malformed, "")) { try PackageFile.inspect(file) }
        }
    }
}
