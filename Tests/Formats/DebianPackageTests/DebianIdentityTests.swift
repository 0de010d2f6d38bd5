import DebianPackage
import Testing

@Suite struct DebianIdentityTests {
    @Test("the file name is name, version without epoch, architecture; apt's spelling of an epoch fits too")
    func fileName() throws {
        let identity = try DebianIdentity(name: "libc6", version: "1:2.36-9", architecture: "amd64")
        #expect(identity.fileName == "libc6_2.36-9_amd64.deb")
        #expect(identity.fileNames.contains("libc6_2.36-9_amd64.deb"))
        #expect(identity.fileNames.contains("libc6_1%3a2.36-9_amd64.deb"))
        #expect(!identity.fileNames.contains("libc6_2.36-9_arm64.deb"))
        #expect(!identity.fileNames.contains("../libc6_2.36-9_amd64.deb"))
    }

    @Test(
        "names that could be a path or an option are refused",
        arguments: ["", "a", "Hello", "-hello", "../x", "a b"]
    )
    func names(name: String) {
        #expect(throws: DebianPackageError.self) {
            try DebianIdentity(name: name, version: "1", architecture: "all")
        }
    }

    @Test(
        "wildcards and other spellings are no architecture",
        arguments: ["", "any", "linux-any", "AMD64", "a/b", "-x"]
    )
    func architectures(architecture: String) {
        #expect(throws: DebianPackageError.self) {
            try DebianIdentity(name: "hello", version: "1", architecture: architecture)
        }
    }
}
