import ByteCoding
import CanonicalJSON
import MusterModel
import Testing

@Suite struct ReleaseDescriptionTests {
    private func release(
        _ format: String = "deb",
        _ version: String = "3.0",
        floor: String? = nil,
        restart: [String] = []
    ) -> ReleaseDescription {
        ReleaseDescription(
            format: format,
            package: "probe",
            version: version,
            architecture: "amd64",
            counter: 3,
            security: false,
            released: UTCTime(milliseconds: 0),
            healthChecks: [],
            notes: "",
            floor: floor,
            restart: restart
        )
    }

    @Test("a release without a floor and units is written as ever, one with them is read back")
    func json() throws {
        guard case .object(let plain) = release().json else { return }
        #expect(plain["floor"] == nil)
        #expect(plain["restart"] == nil)
        let whole = release(floor: "2.0", restart: ["probe.service", "probe@1.socket"])
        #expect(try ReleaseDescription(try JSONFields(whole.json)) == whole)
        #expect(try ReleaseDescription(try JSONFields(release().json)) == release())
    }

    @Test(
        "what is no unit's name is refused",
        arguments: ["", "probe", ".service", "-x.service", "a b.service", "a/b.service", "é.service", "x."]
    )
    func units(unit: String) {
        #expect(!ReleaseDescription.isUnit(unit))
        #expect(throws: JSONError.self) {
            try ReleaseDescription(try JSONFields(release(restart: [unit]).json))
        }
    }

    @Test("versions are compared by their format, and not at all where there is none")
    func versions() {
        #expect(ReleaseVersion.compare("deb", "1.0~rc1-1", "1.0-1").map { $0 < 0 } == true)
        #expect(ReleaseVersion.compare("rpm", "1.0^git-1", "1.0-1").map { $0 > 0 } == true)
        #expect(ReleaseVersion.compare("tar", "1.0-rc.1", "1.0").map { $0 < 0 } == true)
        #expect(ReleaseVersion.compare("deb", "1.0-rc.1", "1.0").map { $0 > 0 } == true)
        #expect(ReleaseVersion.compare("rpm", "1.0-1", "1.0") == 0)
        #expect(ReleaseVersion.compare("snap", "1", "2") == nil)
        #expect(ReleaseVersion.compare("rpm", "1-2-3", "2") == nil)
    }

    @Test("a floor stops what is older, and what cannot be compared")
    func floors() {
        #expect(!release().isBelowFloor(installed: "0.1"))
        #expect(release(floor: "2.0").isBelowFloor(installed: "1.9"))
        #expect(!release(floor: "2.0").isBelowFloor(installed: "2.0"))
        #expect(!release(floor: "2.0").isBelowFloor(installed: "2.0-1"))
        #expect(release(floor: "2.0").isBelowFloor(installed: "no version"))
        #expect(release("rpm", "3.0-1", floor: "2.0").isBelowFloor(installed: "1.9-7"))
        #expect(!release("rpm", "3.0-1", floor: "2.0").isBelowFloor(installed: "2.0-1"))
    }

    @Test("architectures have one name each, whoever names them")
    func architectures() {
        #expect(PackageArchitecture.common("x86_64") == "amd64")
        #expect(PackageArchitecture.common("noarch") == "all")
        #expect(PackageArchitecture.common("amd64") == "amd64")
        #expect(PackageArchitecture.common("sparc64") == "sparc64")
        #expect(PackageFormat(fileName: "a_1_all.debs") == .deb)
        #expect(PackageFormat(fileName: "a-1.noarch.rpm") == .rpm)
        #expect(PackageFormat(fileName: "a-1.tar.zst") == .tar)
        #expect(PackageFormat(fileName: "a.zip") == nil)
    }
}
