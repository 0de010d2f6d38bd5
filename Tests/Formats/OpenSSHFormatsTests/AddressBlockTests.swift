import MusterTestSupport
import OpenSSHFormats
import Testing

@Suite struct AddressBlockTests {
    @Test(
        "addresses are read and written in their one short form",
        arguments: [
            ("127.0.0.1", "127.0.0.1/32"), ("10.0.0.0/8", "10.0.0.0/8"), ("::1", "::1/128"), ("::", "::/128"),
            ("fd7a:115c:a1e0:0:0:0:0:1/64", "fd7a:115c:a1e0::1/64"), ("2001:DB8::A:0:0:1", "2001:db8::a:0:0:1/128"),
            ("::ffff:192.0.2.1", "192.0.2.1/32"), ("1:0:0:2:0:0:0:3", "1:0:0:2::3/128"),
            ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8/128"),
            ("1::", "1::/128"), ("0.0.0.0/0", "0.0.0.0/0"), ("64:ff9b::192.0.2.33", "64:ff9b::c000:221/128"),
        ]
    )
    func reads(_ text: String, _ written: String) throws {
        let block = try #require(AddressBlock(text))
        #expect(block.description == written)
        #expect(AddressBlock(written) == block)
    }

    @Test(
        "what is no address is none",
        arguments: [
            "", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.4/33", "1.2.3.4/", "1.2.3.4/08", "/8", "::1/129",
            ":::",
            "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "12345::", "g::", "fe80::1%lo", "localhost", "+1::",
            "1.2.3.4::",
            "::1.2.3", "1:2:3:4:5:6:7::8:9",
        ]
    )
    func refuses(_ text: String) {
        #expect(AddressBlock(text) == nil)
    }

    @Test("host bits are cleared, and a block contains what has the same bits in front")
    func network() throws {
        let block = try #require(AddressBlock("100.64.3.9/10"))
        #expect(block.network.description == "100.64.0.0/10")
        #expect(AddressBlock("fd7a:115c:a1e0:ab12::9/44")?.network.description == "fd7a:115c:a1e0::/44")
        #expect(block.contains(try #require(AddressBlock("100.127.255.255"))))
        #expect(!block.contains(try #require(AddressBlock("100.128.0.0"))))
        #expect(!block.contains(try #require(AddressBlock("100.0.0.0/8"))))
        #expect(!block.contains(try #require(AddressBlock("::1"))))
    }

    @Test("whatever a damaged address is read as is read again from what is written")
    func survivesMutation() {
        for text in ["100.64.0.7/32", "fd7a:115c:a1e0::53/128", "::ffff:1.2.3.4/120"] {
            Mutations.of(Array(text.utf8)) { bytes in
                guard let block = AddressBlock(String(decoding: bytes, as: UTF8.self)) else { return }
                #expect(AddressBlock(block.description) == block)
                #expect(block.network.network == block.network)
            }
        }
    }
}
