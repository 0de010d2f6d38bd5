import ByteCoding
import Logging
import MusterModel
import MusterSystem
import OpenSSHFormats

/// Visits nodes that confirm an upgrade, where this node's owner lets it.
///
/// The service asks, and may be hostile: so a visit goes to the node's own networks and Tailscale's ranges only, never to this
/// machine itself, says one line that nobody but the node itself composes, reads nothing, and happens once for each nonce.
public actor Visitor {
    /// Most nonces that are remembered.
    private static let memory = 256
    /// Where Tailscale gives addresses.
    private static let tailnet = ["100.64.0.0/10", "fd7a:115c:a1e0::/48"]

    private let networks: @Sendable () -> [String]?
    private let source: String?
    private let clock: AgentClock
    private let logger: Logger
    private var visited: [[UInt8]] = []

    /// A visitor; tests say in which networks, nil where that is not known, and from which address it comes.
    public init(
        networks: @escaping @Sendable () -> [String]? = Visitor.ownNetworks,
        source: String? = nil,
        clock: AgentClock,
        logger: Logger
    ) {
        self.networks = networks
        self.source = source
        self.clock = clock
        self.logger = logger
    }

    /// The networks of this machine's interfaces, but the loopback's; nil where they cannot be asked for.
    public static let ownNetworks: @Sendable () -> [String]? = {
        (try? NumericAddresses.networks())?.filter { !$0.hasPrefix("127.") && !$0.hasPrefix("::1/") }
    }

    /// Pays the visits that are still of use, side by side; failures are nobody's business but the log's.
    public func visit(_ tasks: [ReachTask]) async {
        let now = clock.now()
        guard let networks = networks() else {
            // Whoever does not know its own addresses might visit itself.
            return logger.warning("no visit is paid: the addresses of this machine are not known")
        }
        let allowed = (networks + Self.tailnet).compactMap { AddressBlock($0)?.network }
        let own = networks.compactMap { AddressBlock($0.prefix { $0 != "/" }) }
        var due: [ReachTask] = []
        for task in tasks.prefix(ReachTask.limit) where task.until > now && !visited.contains(task.nonce) {
            guard let block = AddressBlock(task.address), !task.address.contains("/"),
                allowed.contains(where: { $0.contains(block) }), !own.contains(block)
            else {
                logger.warning("a visit is refused: not in the tailnet", metadata: ["address": "\(task.address)"])
                continue
            }
            visited.append(task.nonce)
            due.append(task)
        }
        visited.removeFirst(max(0, visited.count - Self.memory))
        await withDiscardingTaskGroup { [source, logger] group in
            for task in due { group.addTask { await Self.pay(task, from: source, logger) } }
        }
    }

    private static func pay(_ task: ReachTask, from source: String?, _ logger: Logger) async {
        do throws(SystemError) {
            try await Visit.pay(
                task.address,
                port: UInt16(clamping: task.port),
                line: ReachLine.text(task.nonce),
                from: source,
                timeout: .seconds(10)
            )
            logger.info("visited a node that confirms an upgrade", metadata: ["address": "\(task.address)"])
        } catch {
            logger.info("\(error)")
        }
    }
}
