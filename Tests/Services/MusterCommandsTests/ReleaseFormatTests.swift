import MusterModel
import MusterSystem
import MusterTestSupport
import Testing

/// `muster release add` with what is no Debian package.
@Suite struct ReleaseFormatTests {
    private func file(_ workshop: Workshop, _ name: String, _ bytes: [UInt8]) throws -> String {
        let path = workshop.folder + "/" + name
        try AtomicFile.write(bytes, to: path, mode: 0o644)
        return path
    }

    @Test("the three formats are told apart by their content, and a floor and units are signed with them")
    func formats() async throws {
        try await Workshop.fleet { workshop, ada in
            var rpm = TestRPM("server", "1.0")
            rpm.architecture = "x86_64"
            let tarball = TestTarball("site", "1.0.0-rc.1")
            let added = await ada.signs(
                "release",
                "add",
                try file(workshop, rpm.fileName, try await rpm.build()),
                try file(workshop, tarball.fileName, try await tarball.build()),
                try await workshop.package("hello", "1.0")
            )
            #expect(added.status == 0, "\(added.all)")
            #expect(added.output.contains("server 1.0-1 amd64"))
            #expect(added.output.contains("site 1.0.0-rc.1 all"))
            let next = TestTarball("site", "2.0.0")
            let path = try file(workshop, next.fileName, try await next.build())
            let again = await ada.signs(
                "release",
                "add",
                path,
                "--floor",
                "1.0.0-rc.1",
                "--restart",
                "site.service"
            )
            #expect(again.status == 0, "\(again.all)")
            let listed = await ada.muster("release", "list", "--json")
            #expect(listed.output.contains("\"floor\": \"1.0.0-rc.1\""), "\(listed.all)")
            #expect(listed.output.contains("site.service"))
            #expect(listed.output.contains("\"format\": \"rpm\""))
            let verified = await ada.muster("verify", path)
            #expect(verified.status == 0, "\(verified.all)")
        }
    }

    @Test("another format under a released name, a name that is another's, and a floor nobody can pass are refused")
    func refused() async throws {
        try await Workshop.fleet { workshop, ada in
            let added = await ada.signs("release", "add", try await workshop.package("hello", "1.0"))
            #expect(added.status == 0, "\(added.all)")
            let tarball = TestTarball("hello", "2.0")
            let bytes = try await tarball.build()
            let other = await ada.signs("release", "add", try file(workshop, tarball.fileName, bytes))
            #expect(other.status != 0)
            #expect(other.all.contains("one format in a fleet"), "\(other.all)")
            let misnamed = await ada.signs("release", "add", try file(workshop, "hello-3.0.tar.gz", bytes))
            #expect(misnamed.status != 0)
            #expect(misnamed.all.contains("hello-2.0.tar.gz"), "\(misnamed.all)")
            let next = try await workshop.package("hello", "2.0")
            for (floor, words) in [("1.5", "not released"), ("3.0", "not older"), ("x y", "not a version")] {
                let result = await ada.signs("release", "add", next, "--floor", floor)
                #expect(result.status != 0)
                #expect(result.all.contains(words), "\(result.all)")
            }
            let unit = await ada.signs("release", "add", next, "--restart", "no unit")
            #expect(unit.status != 0)
        }
    }
}
