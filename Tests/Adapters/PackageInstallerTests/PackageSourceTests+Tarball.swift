import Glibc
import MusterModel
import MusterSystem
import MusterTestSupport
import Synchronization
import Testing

@testable import PackageInstaller

extension PackageSourceTests {
    @Suite("Versioned tarballs") struct Tarball {
        private let fixture: SourceFixture
        private let installer: TarballInstaller

        init() throws {
            fixture = try SourceFixture()
            installer = TarballInstaller(root: fixture.root, limits: SourceFixture.limits)
        }

        private var base: String { fixture.root + "/opt/probe" }

        /// The tarball of a version, with a file that holds it and a program.
        private func tarball(_ version: String, by program: String = "gzip") async throws -> OpenFile {
            var tar = TarBuilder()
            tar.folder("probe-\(version)/")
            tar.file("probe-\(version)/version", version + "\n")
            tar.file("probe-\(version)/bin/probe", "#!/bin/sh\n", mode: 0o755)
            tar.link("probe-\(version)/bin/alias", to: "../bin/probe")
            let suffix = ["gzip": "gz", "xz": "xz", "zstd": "zst", "bzip2": "bz2"][program] ?? ""
            let bytes = try await ArchiveBuilder.compressed(tar.archive, by: program)
            return try fixture.file("probe-\(version).tar.\(suffix)", bytes)
        }

        private func versions() throws -> [String] {
            try Directory.entries(base + "/versions").filter { !$0.hasPrefix(".") }.map {
                String($0.prefix { $0 != "-" })
            }
        }

        private func expectWhole(_ version: String, at root: String? = nil, _ comment: Comment? = nil) async throws {
            let root = root ?? fixture.root
            let state = try await TarballInstaller(root: root).state(of: "probe")
            #expect(state == .installed(version: version), comment)
            for (path, content) in [("version", version + "\n"), ("bin/alias", "#!/bin/sh\n")] {
                let bytes = try BoundedFile.read(root + "/opt/probe/current/" + path, limit: 100)
                #expect(String(decoding: bytes, as: UTF8.self) == content, comment)
            }
        }

        @Test("a tarball is inspected, whatever its compression", arguments: ["gzip", "xz", "zstd", "bzip2"])
        func inspected(program: String) async throws {
            let file = try await tarball("2.1.0-rc.1", by: program)
            let inspected = try PackageFile.inspect(file)
            #expect(inspected.identity.format == .tar)
            #expect(inspected.identity.description == "probe 2.1.0-rc.1 all")
            #expect(inspected.matches(fileName: Directory.name(of: file.path)))
            #expect(!inspected.matches(fileName: "other-2.1.0-rc.1.tar.gz"))
        }

        @Test("what the system's own tar packed is unpacked with its modes and links")
        func packedByTar() async throws {
            let top = "tool-1.2.linux-amd64"
            try fixture.folder.write("\(top)/etc/a.conf", "a".utf8)
            try AtomicFile.write(Array("#!/bin/sh".utf8), to: fixture.folder.file("\(top)/run"), mode: 0o4775)
            try AtomicFile.write([1], to: fixture.folder.file("\(top)/secret"), mode: 0o600)
            chmod(fixture.folder.file("\(top)/run"), 0o777)
            symlink("etc/a.conf", fixture.folder.file("\(top)/link"))
            link(fixture.folder.file("\(top)/run"), fixture.folder.file("\(top)/run2"))
            let output = fixture.folder.file("\(top).tar.xz")
            let packed = try await Command("/bin/tar", ["-C", fixture.folder.path, "-cJf", output, top])
                .run(timeout: .seconds(120))
            try #require(packed.succeeded, "\(packed.errorText)")
            let file = try OpenFile(output)
            #expect(try PackageFile.inspect(file).identity.description == "tool 1.2 amd64")
            try await installer.install(file)
            #expect(try await installer.versions(of: ["tool", "probe", "../x"]) == ["tool": "1.2"])
            let current = fixture.root + "/opt/tool/current/"
            #expect(try OpenFile(current + "run").status().st_mode & 0o7777 == 0o755)
            #expect(try OpenFile(current + "run2").status().st_nlink == 2)
            #expect(try OpenFile(current + "secret").status().st_mode & 0o7777 == 0o600)
            #expect(try BoundedFile.read(current + "link", limit: 10) == Array("a".utf8))
        }

        @Test("versions lie beside each other, one link says which is used, the one before is kept, older ones go")
        func lifecycle() async throws {
            #expect(try await installer.state(of: "probe") == .absent)
            for version in ["1.0", "2.0", "3.0"] { try await installer.install(try await tarball(version)) }
            try await expectWhole("3.0")
            #expect(try versions() == ["2.0", "3.0"])
            try await installer.restore("probe", from: try await tarball("2.0"))
            try await expectWhole("2.0")
            #expect(try versions() == ["2.0", "3.0"])
            try await installer.install(try await tarball("2.0"))
            #expect(try versions() == ["2.0", "3.0"])
            #expect(try fixture.folder.names(in: "root/opt/probe") == ["current", "versions"])
            try await installer.remove("probe")
            #expect(try await installer.state(of: "probe") == .absent)
            #expect(!Directory.exists(base))
            try await installer.remove("probe")
        }

        @Test("a tarball swapped after verification is not what gets unpacked")
        func swapped() async throws {
            let good = try await tarball("1.0")
            _ = try PackageFile.inspect(good)
            try AtomicFile.write(
                try BoundedFile.read(try await tarball("6.6.6").path, limit: 1 << 20),
                to: good.path
            )
            try await installer.install(good)
            try await expectWhole("1.0")
        }

        @Test("a version's folder that was damaged is whole again after the same file is installed again")
        func repaired() async throws {
            let file = try await tarball("1.0")
            try await installer.install(file)
            try AtomicFile.remove(base + "/current/version")
            try await installer.install(file)
            try await expectWhole("1.0")
            try Directory.removeTree(base + "/versions")
            guard case .partial(version: "1.0", _) = try await installer.state(of: "probe") else {
                Issue.record("a link to nothing is taken for a whole version")
                return
            }
            await #expect(throws: PackageError(.failed, "")) { try await installer.repair("probe") }
            try await installer.restore("probe", from: file)
            try await expectWhole("1.0")
        }

        @Test("cut off at any moment, one whole version is in use, and the next installation ends well")
        func cutOff() async throws {
            let old = try await tarball("1.0")
            let new = try await tarball("2.0")
            try await installer.install(old)
            // What a killed agent leaves is what there is at that moment: a copy of it.
            let copies = Mutex<[String]>([])
            let root = fixture.root
            let folder = fixture.folder.path
            let watched = TarballInstaller(root: root, limits: SourceFixture.limits) { step in
                copies.withLock { $0.append(step.rawValue) }
                Self.copy(root, to: "\(folder)/at-\(step.rawValue)")
            }
            try await watched.install(new)
            #expect(copies.withLock { $0 } == TarballInstaller.Step.allCases.map(\.rawValue))
            for step in TarballInstaller.Step.allCases {
                let copy = fixture.folder.file("at-\(step.rawValue)")
                let isAfter = [.switched, .pruned].contains(step)
                try await expectWhole(isAfter ? "2.0" : "1.0", at: copy, "\(step)")
                let again = TarballInstaller(root: copy, limits: SourceFixture.limits)
                try await again.install(new)
                try await expectWhole("2.0", at: copy, "again after \(step)")
                try await again.restore("probe", from: old)
                try await expectWhole("1.0", at: copy, "back after \(step)")
                #expect(
                    try Directory.entries(copy + "/opt/probe/versions").allSatisfy { ![".new", ".old"].contains($0) }
                )
            }
        }

        @Test("two installations at once do not mix: the second waits, and one whole version is in use")
        func atOnce() async throws {
            let files = [try await tarball("1.0"), try await tarball("2.0"), try await tarball("3.0")]
            try await withThrowingTaskGroup(of: Void.self) { group in
                for file in files { group.addTask { try await installer.install(file) } }
                try await group.waitForAll()
            }
            guard case .installed(let version) = try await installer.state(of: "probe") else {
                Issue.record("nothing is in use")
                return
            }
            try await expectWhole(version)
            #expect(try versions().count == 2)
        }

        @Test("a lock that is not given free in time is an error, and nothing was changed")
        func locked() async throws {
            try await installer.install(try await tarball("1.0"))
            let new = try await tarball("2.0")
            let lock = try FileLock.acquire(base + "/versions/.lock")
            var limits = SourceFixture.limits
            limits.lock = .milliseconds(100)
            let impatient = TarballInstaller(root: fixture.root, limits: limits)
            await #expect(throws: PackageError(.locked, "")) { try await impatient.install(new) }
            try await expectWhole("1.0")
            withExtendedLifetime(lock) {}
        }

        @Test("what is not muster's is not replaced: a folder named current, versions behind a link")
        func foreign() async throws {
            let file = try await tarball("1.0")
            try fixture.folder.write("root/opt/probe/current/precious", "x".utf8)
            await #expect(throws: PackageError(.failed, "")) { try await installer.install(file) }
            #expect(try fixture.text("opt/probe/current/precious") == "x")

            let other = try SourceFixture()
            try Directory.create(other.root + "/opt/probe", mode: 0o755)
            try Directory.create(other.root + "/elsewhere", mode: 0o755)
            symlink("../../elsewhere", other.root + "/opt/probe/versions")
            await #expect(throws: PackageError(.failed, "")) {
                try await TarballInstaller(root: other.root, limits: SourceFixture.limits).install(file)
            }
            #expect(try Directory.entries(other.root + "/elsewhere").isEmpty)
        }

        private static func copy(_ from: String, to: String) {
            var process: pid_t = 0
            var arguments: [UnsafeMutablePointer<CChar>?] = ["/bin/cp", "-a", from, to].map { (word: String) in
                strdup(word)
            }
            arguments.append(nil)
            defer { for argument in arguments { free(argument) } }
            guard posix_spawn(&process, "/bin/cp", nil, nil, arguments, environ) == 0 else { return }
            var status: Int32 = 0
            waitpid(process, &status, 0)
        }
    }
}
