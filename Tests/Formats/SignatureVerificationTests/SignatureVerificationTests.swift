import ByteCoding
import Crypto
import CryptoExtras
import FoundationEssentials
import MusterTestSupport
import SignatureVerification
import Testing

@Suite struct SignatureVerificationTests {
    private let message = Array("what was signed".utf8)

    @Test("digests are those of FIPS 180-4, whole or in pieces")
    func digests() {
        let abc = Array("abc".utf8)
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        #expect(Hex.encode(SignatureVerification.Digest.sha256(abc)) == expected)
        #expect(Hex.encode(SignatureVerification.Digest.sha512(abc)).hasPrefix("ddaf35a193617abacc417349ae204131"))
        for algorithm in DigestAlgorithm.allCases {
            let bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
            var digest = StreamingDigest(algorithm)
            for start in stride(from: 0, to: bytes.count, by: 777) {
                digest.update(Array(bytes[start..<min(start + 777, bytes.count)]))
            }
            #expect(digest.finish() == SignatureVerification.Digest.of(bytes, algorithm))
            #expect(digest.finish().count == algorithm.length)
        }
    }

    @Test("Ed25519 agrees with RFC 8032 and refuses every changed bit")
    func ed25519() throws {
        let key = try #require(Hex.decode("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"))
        let text =
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            + "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        let signature = try #require(Hex.decode(text))
        #expect(Ed25519.verify(signature: signature, message: [0x72], publicKey: key))
        #expect(!Ed25519.verify(signature: signature, message: [0x73], publicKey: key))
        #expect(!Ed25519.verify(signature: Array(signature.dropLast()), message: [0x72], publicKey: key))
        #expect(!Ed25519.verify(signature: signature, message: [0x72], publicKey: Array(key.dropLast())))
        for index in signature.indices {
            var changed = signature
            changed[index] ^= 1
            #expect(!Ed25519.verify(signature: changed, message: [0x72], publicKey: key))
        }
    }

    @Test("an Ed25519 key of small order verifies nothing")
    func smallOrderKey() {
        var point = [UInt8](repeating: 0, count: 32)
        point[0] = 1
        let forged = point + [UInt8](repeating: 0, count: 32)
        #expect(!Ed25519.verify(signature: forged, message: message, publicKey: point))
    }

    @Test("ECDSA P-256 by PEM and DER, and by point and numbers")
    func ecdsa() throws {
        let key = P256.Signing.PrivateKey()
        let signature = try key.signature(for: message)
        let pem = key.publicKey.pemRepresentation
        let point = Array(key.publicKey.x963Representation)
        let r = Array(signature.rawRepresentation.prefix(32))
        let s = Array(signature.rawRepresentation.suffix(32))
        let der = Array(signature.derRepresentation)
        #expect(ECDSAP256.verify(derSignature: der, message: message, pem: pem))
        #expect(!ECDSAP256.verify(derSignature: der + [0], message: message, pem: pem))
        #expect(!ECDSAP256.verify(derSignature: der, message: message + [0], pem: pem))
        #expect(!ECDSAP256.verify(derSignature: der, message: message, pem: "not a key"))
        #expect(ECDSAP256.verify(r: r, s: s, message: message, point: point))
        #expect(!ECDSAP256.verify(r: s, s: r, message: message, point: point))
        #expect(!ECDSAP256.verify(r: [UInt8](repeating: 0, count: 32), s: s, message: message, point: point))
        #expect(ECDSAP256.isPoint(point))
        #expect(!ECDSAP256.isPoint([4] + [UInt8](repeating: 7, count: 64)))
    }

    @Test("RSA of 2048 bits verifies by PSS and PKCS#1, each only as itself")
    func rsa() throws {
        let key = try _RSA.Signing.PrivateKey(keySize: .bits2048)
        let pem = key.publicKey.pemRepresentation
        let pss = Array(try key.signature(for: SHA256.hash(data: message), padding: .PSS).rawRepresentation)
        let pkcs = Array(
            try key.signature(for: SHA512.hash(data: message), padding: .insecurePKCS1v1_5).rawRepresentation
        )
        #expect(RSA.verifyPSS(signature: pss, message: message, pem: pem))
        #expect(!RSA.verifyPSS(signature: pkcs, message: message, pem: pem))
        #expect(RSA.verifyPKCS1(signature: pkcs, message: message, pem: pem, digest: .sha512))
        #expect(!RSA.verifyPKCS1(signature: pkcs, message: message, pem: pem, digest: .sha256))
        let numbers = try key.publicKey.getKeyPrimitives()
        let modulus = Array(numbers.modulus)
        let exponent = Array(numbers.publicExponent)
        #expect(
            RSA.verifyPKCS1(
                signature: pkcs,
                message: message,
                modulus: modulus,
                exponent: exponent,
                digest: .sha512
            )
        )
    }

    @Test("an RSA key of 1024 bits is refused")
    func shortRSA() throws {
        let key = try _RSA.Signing.PrivateKey(unsafeKeySize: _RSA.Signing.KeySize(bitCount: 1024))
        let pem = key.publicKey.pemRepresentation
        let pss = Array(try key.signature(for: SHA256.hash(data: message), padding: .PSS).rawRepresentation)
        #expect(!RSA.isKey(pem: pem))
        #expect(!RSA.verifyPSS(signature: pss, message: message, pem: pem))
    }
}
