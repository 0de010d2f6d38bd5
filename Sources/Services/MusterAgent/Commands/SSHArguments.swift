import ArgumentParser

/// How the agent looks after sshd, instead of what the configuration says.
struct SSHArguments: ParsableArguments {
    @Flag(name: .customLong("no-ssh"), help: "Leave sshd alone.")
    var isOff = false

    @Option(help: "Configuration of the sshd to look after; naming it turns that on where --root is given.")
    var sshdConfig: String?

    @Option(help: "The agent's own file in sshd's configuration; sshd_config.d/50-muster.conf beside it unless given.")
    var sshdDropIn: String?

    @Option(help: "The sshd to ask and reload.")
    var sshdProgram: String?

    @Option(help: "Where sshd logs: a file, journal, none, or auto.")
    var sshdLog: String?

    @Option(help: "Account that runs 'muster-agent ssh-principals' for sshd.")
    var principalsUser: String?

    func validate() throws {
        for path in [sshdConfig, sshdDropIn, sshdProgram] where path?.hasPrefix("/") == false {
            throw ValidationError("'\(path ?? "")' is not an absolute path")
        }
        if let sshdLog, !["journal", "none", "auto"].contains(sshdLog), !sshdLog.hasPrefix("/") {
            throw ValidationError("--sshd-log is neither an absolute path nor journal, none or auto")
        }
    }

    func apply(to options: inout SSHOptions) {
        if isOff {
            options.isOn = false
        } else if sshdConfig != nil {
            options.isOn = true
        }
        options.configuration = sshdConfig ?? options.configuration
        options.dropIn = sshdDropIn ?? options.dropIn
        options.program = sshdProgram ?? options.program
        options.log = sshdLog ?? options.log
        options.principalsUser = principalsUser ?? options.principalsUser
    }
}
