import Testing
import VersionedTarball

@Suite struct TarballIdentityTests {
    @Test(
        "name, version and architecture are in the folder's name",
        arguments: [
            ("prometheus-2.45.0.linux-amd64", "prometheus 2.45.0 amd64"),
            ("node-v20.1.0-linux-x64", "node 20.1.0 x64"),
            ("site-3.1", "site 3.1 any"),
            ("ripgrep-14.1.0-x86_64-unknown-linux-musl", "ripgrep 14.1.0 x86_64"),
            ("node_exporter-1.8.0-rc.1.linux-arm64", "node_exporter 1.8.0-rc.1 arm64"),
            ("my-tool-0.9+build7", "my-tool 0.9+build7 any"),
            ("tool-1.0_linux_aarch64", "tool 1.0 aarch64"),
        ]
    )
    func folders(folder: String, expected: String) throws {
        #expect(try #require(TarballIdentity(folder: folder)).description == expected)
    }

    @Test(
        "a folder that says no name or no version is refused",
        arguments: [
            "", "prometheus", "-1.0", "1.0", "prometheus-latest", "Prometheus-1.0", "a-1.0", "x y-1.0", "../x-1.0",
            "tool-1.0/..", "tool-v", "tool-1 0",
        ]
    )
    func refused(folder: String) {
        #expect(TarballIdentity(folder: folder) == nil)
    }

    @Test(
        "versions have the order of Semantic Versioning",
        arguments: [
            ["1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11"],
            ["1.0.0-rc.1", "1.0.0", "1.0.1", "1.2", "1.10", "1.10.0", "2"],
            ["20251231", "20260101"], ["1.0", "1.0+build1", "1.0+build2", "1.0.0"],
        ]
    )
    func order(versions: [String]) throws {
        let parsed = try versions.map { try #require(TarballVersion($0)) }
        for (index, left) in parsed.enumerated() {
            for (other, right) in parsed.enumerated() {
                #expect((left < right) == (index < other), "\(left) and \(right)")
                #expect((left == right) == (index == other), "\(left) and \(right)")
            }
        }
        #expect(TarballVersion("1.00") == TarballVersion("1.0"))
    }

    @Test("text that is no version is refused", arguments: ["", "v1", "-1", "1/2", "1 2", "1\n", "é"])
    func versions(text: String) {
        #expect(TarballVersion(text) == nil)
    }
}
