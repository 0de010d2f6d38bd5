import ByteCoding
import CSodium
import CanonicalJSON
import MusterCA
import MusterKeys
import MusterModel
import MusterPolicy
import MusterTestSupport
import OpenSSHFormats

/// Builds and signs user certificates, and makes as many plain signatures of the same bytes in between.
///
/// Each certificate is for a statement of its own; the statements are verified already, as their signatures cost the same
/// whatever the CA does.
enum CertificateBenchmark {
    private static let count = 500
    private static let rounds = 61

    static func figure() throws -> Figure {
        let orders = try orders()
        let key = Ed25519SecretKey.generate()
        let stamps = try orders.indices.map { index in
            CertificateStamp(
                serial: UInt64(index + 1),
                nonce: RandomBytes.make(32),
                time: time,
                authority: try SSHPublicKey(ed25519: key.publicKey)
            )
        }
        let messages = try zip(orders, stamps).map { try $0.certificate($1).bytes }
        var (made, plain): ([Double], [Double]) = ([], [])
        for _ in 0..<rounds {
            var start = Child.ownCPU
            for index in orders.indices {
                let unsigned = try orders[index].certificate(stamps[index])
                guard try unsigned.signed(key.sign(unsigned.bytes)).blob.count > messages[index].count else {
                    throw Failure.incomplete
                }
            }
            made.append(Child.ownCPU - start)
            start = Child.ownCPU
            try signPlainly(messages)
            plain.append(Child.ownCPU - start)
        }
        let value = rate(made)
        let reference = rate(plain)
        return Figure(
            name: "certificates-signed",
            value: value,
            unit: "per second of CPU",
            reference: "plain libsodium Ed25519 signatures of the same bytes",
            referenceValue: reference,
            goal: "ratio at least 0.85",
            met: value / reference >= 0.85
        )
    }

    private enum Failure: Error {
        case incomplete
    }

    private static let time = UTCTime(seconds: 1_700_000_000)

    /// By the median round: other programs' noise falls on single rounds.
    private static func rate(_ times: [Double]) -> Double {
        Double(count) / times.sorted()[times.count / 2]
    }

    private static func orders() throws -> [UserCertificateOrder] {
        let fleet = try FleetSimulator(time: time)
        let policy = try FleetPolicy(JSONFields(fleet.policyDocument))
        let origin = UserCertificateOrder.Origin(
            name: "laptop.example.ts.net",
            addresses: ["100.64.0.7", "fd7a:115c:a1e0::7"],
            keyExpires: nil
        )
        return try (0..<count).map { index in
            let statement = try fleet.statement(fleet.login(key: "key \(index)"), seed: "\(index)")
            let requester = statement.statement.requester
            let request = PolicyRequest(statement.statement, signers: [requester], node: nil)
            guard let grant = policy.loginGrants(request, time: time).first else { throw Failure.incomplete }
            return UserCertificateOrder(
                statement: statement,
                grant: grant,
                keyExpiries: [time.adding(seconds: 86400)],
                origin: origin
            )
        }
    }

    private static func signPlainly(_ messages: [[UInt8]]) throws {
        var publicKey = [UInt8](repeating: 0, count: Int(crypto_sign_PUBLICKEYBYTES))
        var secretKey = [UInt8](repeating: 0, count: Int(crypto_sign_SECRETKEYBYTES))
        var signature = [UInt8](repeating: 0, count: Int(crypto_sign_BYTES))
        guard crypto_sign_keypair(&publicKey, &secretKey) == 0 else { throw Failure.incomplete }
        for message in messages {
            guard crypto_sign_detached(&signature, nil, message, UInt64(message.count), secretKey) == 0 else {
                throw Failure.incomplete
            }
        }
    }
}
