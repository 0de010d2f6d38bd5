import ByteCoding
import MusterIdentity
import MusterSigners
import MusterSystem
import Tailnet

/// How one service runs.
struct ServeOptions: Sendable {
    /// Where everything is kept.
    var stateDirectory = "/var/lib/musterd"
    /// Where to listen; nothing means loopback and the tailnet's own addresses, at `port`.
    var listen: [String] = []
    /// The port where none is named.
    var port = ListenPlan.standardPort
    /// Who is asked who callers are.
    var tailnet = TailnetOption.none
    /// Asked instead of what `tailnet` says, by tests.
    var tailnetSource: (any TailnetSource)?
    /// Which callers are this machine and need not be asked about; tests have loopback addresses stand for tailnet ones.
    var isThisMachine: @Sendable (IPAddress) -> Bool = { $0.isLoopback }
    /// Names for WireGuard peers, with a signature beside it; nil for none.
    var wireGuardNames: String?
    /// How long the tailnet's answers are remembered.
    var tailnetSeconds: Int64 = 5
    /// How often everybody on the tailnet is looked at.
    var tailnetWatchSeconds = 10
    /// How long a start waits for the tailnet to come up.
    var tailnetPatience = Duration.seconds(30)
    /// PEM files of the certificate chain and its key; both or neither.
    var tls: (certificate: String, key: String)?
    /// Opens the sealed service keys; nil for the machine's own passphrase.
    var passphrase: Passphrase?
    /// The socket of an ssh-agent that holds the service keys; nil for sealed files.
    var agentSocket: String?
    /// Most bytes of one target file.
    var maxFileBytes: Int64 = 4 << 30
    /// Most connections at one moment, over all addresses.
    var maxConnections = 16_000
    /// Seconds after which a node reports again.
    var reportSeconds = 60
    /// Seconds without a request after which a connection is closed.
    var idleSeconds: Int64 = 120
    /// How long snapshot and timestamp are good.
    var lifetimes = FreshnessLifetimes()
    /// Where notices of expiries go.
    var notices = NoticeOptions()
    /// Seconds that a node's key lives.
    var nodeKeyLifetime = Int64(NodeKeyLife.standardDays) * 86400
    /// Days for which the output of runs is kept after their end.
    var keepRunOutputDays: Int64 = 90
    /// What the time is.
    var clock: @Sendable () -> UTCTime = WallClock.now
}
