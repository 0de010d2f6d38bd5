import ByteCoding
import Synchronization

/// How many uploads without a session are taken while the policy lets nobody log in: so many an hour from one address,
/// and so many in all.
///
/// What is uploaded so must carry its owners' signatures anyway; this bounds what strangers cost.
final class RenewalAllowance: Sendable {
    /// Most uploads of one address in an hour.
    static let forAddress = 30
    /// Most uploads in an hour.
    static let inAll = 300
    /// Most bytes of a policy file.
    static let policyBytes: Int64 = 1_000_000

    private struct Hour: Sendable {
        var begin = UTCTime(milliseconds: 0)
        var all = 0
        var addresses: [String: Int] = [:]
    }

    private let hour = Mutex(Hour())

    /// Counts an upload from `address`; false where there were too many.
    func take(_ address: String, at time: UTCTime) -> Bool {
        hour.withLock { hour in
            if time >= hour.begin.adding(seconds: 3600) || time < hour.begin { hour = Hour(begin: time) }
            guard hour.all < Self.inAll, hour.addresses[address, default: 0] < Self.forAddress else { return false }
            hour.all += 1
            hour.addresses[address, default: 0] += 1
            return true
        }
    }
}
