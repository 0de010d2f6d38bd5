/// Where the programs of a `FleetFixture` run and how they reach each other.
public struct FleetPlacement: Sendable {
    /// The name that `command` is given for musterd.
    public static let service = "musterd"

    /// What musterd is told besides its folder: where to listen, and who is who.
    public var serviceOptions = ["--listen", "127.0.0.1:0"]
    /// The service's address as everybody else knows it; nil: the one that musterd says it listens on.
    public var address: String?
    /// Members of every agent's configuration besides its root, as JSON text that begins with a comma.
    public var agentSettings = ""
    /// The root of every node's packages; nil: a folder of its own for each.
    public var agentRoot: String?
    /// The program and arguments to start instead, where `who` (musterd, an operator or a node) starts a program.
    public var command: @Sendable (_ who: String, _ program: String, _ arguments: [String]) -> (String, [String]) = {
        ($1, $2)
    }

    /// Everything on loopback.
    public init() {}
}
