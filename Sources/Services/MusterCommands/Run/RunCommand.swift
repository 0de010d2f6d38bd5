import ArgumentParser

struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Run approved commands on a subset of nodes; approve, watch and look up runs.",
        discussion: """
            'muster run COMMAND --on SELECTOR' runs a command that the policy's owners approved; nodes check for themselves
            who asked, who approved and what exactly. A command that is called like one of the subcommands here (approve,
            list, …) is run by 'muster run start COMMAND'.

            exit status of run and watch:
              0   every node ran it with exit status 0
              1   refused or failed before anything ran; 2 the command line makes no sense, or it could not be found out
              10  it ran on every node, and on some ended with another status, by a signal or out of time
              11  not every node ran it: refused, denied, cancelled, halted, expired
              12  what became of it is not known on some node
              130 interrupted by Ctrl-C: the run itself goes on, and 'muster run cancel ID' ends it
            The highest of 10 to 12 that fits counts. With --over ssh this machine carries the run out, so the first Ctrl-C once
            it has begun ends the processes and cancels the run; a second one ends this program at once. A Ctrl-C before that
            leaves a run that nobody carries out: 'muster run cancel ID' ends it.
            """,
        subcommands: [
            RunStart.self, RunApprove.self, RunDeny.self, RunList.self, RunShow.self, RunWatch.self, RunCancel.self,
        ],
        defaultSubcommand: RunStart.self
    )
}
