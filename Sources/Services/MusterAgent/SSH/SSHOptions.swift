import CanonicalJSON

/// How the node's owner lets the agent look after sshd: the member `ssh` of the configuration, or options of `serve`.
///
/// ```
/// {"ssh": {"on": true, "sshd_config": "/etc/ssh/sshd_config", "drop_in": "/etc/ssh/sshd_config.d/50-muster.conf",
///          "sshd": "/usr/sbin/sshd", "principals_user": "nobody", "log": "auto"}}
/// ```
public struct SSHOptions: Hashable, Sendable {
    /// Whether the agent looks after sshd at all; nil where the owner did not say.
    ///
    /// Then it does, unless the node has a package root of its own: such a node is not the whole machine.
    public var isOn: Bool?
    /// sshd's configuration.
    public var configuration = "/etc/ssh/sshd_config"
    /// The file of the agent's own that the configuration includes; beside it, in `sshd_config.d`, unless told.
    public var dropIn: String?
    /// The daemon.
    public var program = "/usr/sbin/sshd"
    /// The program that checks revocation lists.
    public var keygen = "/usr/bin/ssh-keygen"
    /// The account that runs the principals command.
    public var principalsUser = "nobody"
    /// The program with the command `ssh-principals`; the agent's own file unless told.
    public var principalsProgram: String?
    /// Where sshd logs: a file, `journal`, `none`, or `auto` for whichever there is.
    public var log = "auto"
    /// Seconds between two looks at sshd while nothing happens.
    public var checkSeconds = 60

    /// The usual places.
    public init() {}

    init(_ fields: JSONFields) throws(JSONError) {
        func path(_ key: String) throws(JSONError) -> String? {
            guard fields.has(key) else { return nil }
            let text = try fields.string(key)
            guard text.hasPrefix("/") else { throw fields.error(key, "is not an absolute path") }
            return text
        }
        if fields.has("on") { isOn = try fields.bool("on") }
        configuration = try path("sshd_config") ?? configuration
        dropIn = try path("drop_in")
        program = try path("sshd") ?? program
        keygen = try path("ssh_keygen") ?? keygen
        principalsProgram = try path("principals_program")
        if fields.has("principals_user") { principalsUser = try fields.string("principals_user", limit: 64) }
        if fields.has("log") {
            log = try fields.string("log")
            guard ["auto", "journal", "none"].contains(log) || log.hasPrefix("/") else {
                throw fields.error("log", "is neither an absolute path nor auto, journal or none")
            }
        }
        if fields.has("check_seconds") { checkSeconds = Int(try fields.integer("check_seconds", in: 1...86400)) }
    }

    /// Where the agent's part of the configuration is.
    var dropInPath: String {
        dropIn ?? configuration.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 }
            + "/sshd_config.d/50-muster.conf"
    }
}
