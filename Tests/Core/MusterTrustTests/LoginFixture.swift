import ByteCoding
import MusterModel
import MusterPolicy
import MusterTestSupport
import MusterTrust

/// A fleet and one of its nodes, to log in on.
protocol LoginFixture {
    var time: UTCTime { get }
    var fleet: FleetSimulator { get }
    var facts: NodeFacts { get throws }
    var policy: FleetPolicy { get throws }
}

extension LoginFixture {
    /// What the node says to a login with this certificate, made by the fleet's user CA or not.
    func login(
        with certificate: [UInt8],
        as user: String,
        node: NodeFacts? = nil,
        policy: FleetPolicy? = nil,
        at later: Int64 = 0
    ) throws -> SSHLoginVerdict {
        SSHLoginVerifier.verify(
            SSHLoginVerifier.Login(
                certificate: certificate,
                user: user,
                node: try node ?? facts,
                authorities: [try TestKey("user-ca").ssh]
            ),
            policy: try policy ?? self.policy,
            fleet: fleet.fleet,
            time: time.adding(seconds: later)
        )
    }
}
