import ByteCoding
import MusterSigners
import MusterSystem

/// How one service runs.
struct ServeOptions: Sendable {
    /// Where everything is kept.
    var stateDirectory = "/var/lib/musterd"
    /// Where to listen.
    var listen: [String] = [ListenAddress.standard]
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
    /// What the time is.
    var clock: @Sendable () -> UTCTime = WallClock.now
}
