import Glibc
import MusterCommands

// A closed pipe is an error of write, not the end of the program.
signal(SIGPIPE, SIG_IGN)
exit(await MusterProgram.main(Array(CommandLine.arguments.dropFirst())))
