import MusterSystem
import MusterTestSupport
import RPMPackage
import Testing

@Suite struct RPMHeadTests {
    @Test("packages that rpmbuild built are read as rpm itself reads them")
    func likeRPM() async throws {
        var packages = [TestRPM("probe", "1.0"), TestRPM("Probe_x", "2.0~rc1"), TestRPM("a-b.c+d", "20260101^git9")]
        packages[0].epoch = 3
        packages[0].scripts = ["post": "true", "preun": "true"]
        packages[1].epoch = 0
        packages[1].release = "7.fc40"
        packages[1].payload = "w2.xzdio"
        packages[2].architecture = "x86_64"
        packages[2].payload = "w2.zstdio"
        for index in 0..<40 { packages[2].files["usr/share/many/\(index)"] = "\(index)" }
        let format =
            "%{NAME}|%|EPOCH?{%{EPOCH}}:{0}||%{VERSION}|%{RELEASE}|%{ARCH}|%{PAYLOADCOMPRESSOR}|%{PAYLOADDIGEST}\n"
        for package in packages {
            let bytes = try await package.build()
            let head = try RPMHead(parsing: try Self.head(bytes))
            let folder = try TemporaryFolder()
            let path = try folder.write("package.rpm", bytes)
            let result = try await Command("/usr/bin/rpm", ["-qp", "--queryformat", format, path])
                .run(timeout: .seconds(60))
            let said = result.outputText.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
            let identity = head.identity
            #expect(
                said.prefix(6) == [
                    identity.name, "\(identity.version.epoch)", identity.version.version, identity.version.release,
                    identity.architecture, head.compression,
                ]
            )
            #expect(identity.version.text == package.wholeVersion)
            #expect(identity.fileName == package.fileName)
            #expect(head.headerDigest?.count == 32)
            let digest = try #require(head.payloadDigest)
            #expect(said.last?.contains(digest.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()) == true)
        }
    }

    @Test("a head cut off at any place is refused")
    func cut() async throws {
        let head = try Self.head(try await TestRPM("probe", "1.0").build())
        for end in stride(from: 0, to: head.count, by: 13) {
            #expect(throws: RPMPackageError.self, "cut at \(end)") { try RPMHead(parsing: Array(head[..<end])) }
        }
        #expect(throws: RPMPackageError.self) { try RPMHead(parsing: head + [0]) }
    }

    @Test("no damaged head makes the reader trap, read too far, or take what the parts do not say")
    func mutated() async throws {
        let head = try Self.head(try await TestRPM("probe", "1.0").build())
        var generator = SeededGenerator(seed: 11)
        var read = 0
        for round in 0..<4000 {
            if round % 100 == 0 { await Task.yield() }
            let changed = generator.mutated(head)
            guard let parsed = try? RPMHead(parsing: changed) else { continue }
            read += 1
            #expect(parsed.payloadOffset == changed.count)
            #expect(RPMIdentity.isName(parsed.identity.name))
            #expect(RPMVersion(parsed.identity.version.text) != nil)
        }
        // Most of a head are values that nothing is made of: the changes that are in them alone are read.
        #expect(read > 0)
    }

    @Test("sizes that no package has are refused before anything of that size is read")
    func sizes() async throws {
        let head = try Self.head(try await TestRPM("probe", "1.0").build())
        let start = Array(head.prefix(112))
        for (offset, bytes) in [
            (104, [0xFF, 0xFF, 0xFF, 0xFF]), (108, [0xFF, 0xFF, 0xFF, 0xFF]), (104, [0, 0, 0, 0]),
        ] {
            var changed = start
            changed.replaceSubrange(offset..<(offset + 4), with: bytes.map { UInt8($0) })
            #expect(throws: RPMPackageError.self) { try RPMLayout.headerOffset(changed) }
        }
        let header = try RPMLayout.headerOffset(start)
        var intro = Array(head[header..<(header + 16)])
        #expect(try RPMLayout.payloadOffset(headerOffset: header, intro) == head.count)
        intro[12] = 0x7F
        #expect(throws: RPMPackageError.self) { try RPMLayout.payloadOffset(headerOffset: header, intro) }
    }

    @Test("a source package, an unknown kind of signature and another beginning are refused", arguments: [0, 4, 7, 79])
    func lead(offset: Int) async throws {
        var head = try Self.head(try await TestRPM("probe", "1.0").build())
        head[offset] ^= 0x55
        #expect(throws: RPMPackageError.self) { try RPMHead(parsing: head) }
    }

    private static func head(_ bytes: [UInt8]) throws -> [UInt8] {
        let header = try RPMLayout.headerOffset(Array(bytes.prefix(112)))
        let payload = try RPMLayout.payloadOffset(headerOffset: header, Array(bytes[header..<(header + 16)]))
        return Array(bytes[..<payload])
    }
}
