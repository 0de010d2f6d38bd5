import Testing

@testable import MusterRollout

@Suite("SipHash-2-4")
struct SipHashTests {
    /// From the vectors of the reference implementation: the key 00 01 … 0f, and messages 00 01 … of each length.
    @Test(
        "agrees with the reference implementation",
        arguments: [
            (0, 0x726F_DB47_DD0E_0E31), (1, 0x74F8_39C5_93DC_67FD), (7, 0xAB02_00F5_8B01_D137),
            (8, 0x93F5_F579_9A93_2462), (15, 0xA129_CA61_49BE_45E5),
        ] as [(UInt8, UInt64)]
    )
    func vectors(_ count: UInt8, _ expected: UInt64) {
        #expect(SipHash.hash(0..<count, key: (0x0706_0504_0302_0100, 0x0F0E_0D0C_0B0A_0908)) == expected)
    }
}
