import ByteCoding
import Glibc

/// A program to run: nothing is inherited that is not named here, no shell is involved.
public struct Command: Sendable {
    /// Absolute path of the program.
    public var executable: String
    /// Arguments after the program's own name.
    ///
    /// Visible to every user of the machine: never a secret.
    public var arguments: [String]
    /// The whole environment.
    public var environment: [String: String]
    /// Bytes given on standard input, which then ends.
    public var input: [UInt8]
    /// Open files that the program inherits as descriptors 3, 4, and so on.
    public var inherited: [OpenFile]
    /// Whether the program may talk with the person at the terminal: it stays in our process group, where the terminal
    /// lets it ask for a passphrase, and its errors go where ours go.
    public var atTerminal: Bool
    /// Folder to start in; the root folder unless told, so that no unmount is held up.
    public var workingDirectory: String

    /// A program with its arguments.
    public init(
        _ executable: String,
        _ arguments: [String] = [],
        environment: [String: String] = Command.plainEnvironment,
        input: [UInt8] = [],
        inherited: [OpenFile] = [],
        atTerminal: Bool = false,
        workingDirectory: String = "/"
    ) {
        self.executable = executable
        self.arguments = arguments
        self.environment = environment
        self.input = input
        self.inherited = inherited
        self.atTerminal = atTerminal
        self.workingDirectory = workingDirectory
    }

    /// The system's programs and untranslated messages.
    public static let plainEnvironment = [
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8",
    ]

    /// Our own environment, for a program that acts for the person who started us.
    public static var ownEnvironment: [String: String] {
        var variables: [String: String] = [:]
        var index = 0
        while let entry = environ[index] {
            if let (name, value) = String(cString: entry).split(atFirst: UInt8(ascii: "=")) { variables[name] = value }
            index += 1
        }
        return variables
    }

    /// The program's absolute path, looked for in the folders of `path` as a shell does; nil where there is none.
    public static func find(_ name: String, path: String) -> String? {
        for folder in path.split(separator: ":") where folder.hasPrefix("/") {
            let file = folder + "/" + name
            if access(file, X_OK) == 0 { return file }
        }
        return nil
    }

    /// Runs the program in a process group of its own (or at the terminal) and waits for its end.
    ///
    /// When `timeout` is over, or the task is cancelled, the whole group gets TERM, and KILL after `grace`. Of each
    /// output the last `outputLimit` bytes are kept. A descendant that keeps the pipes open does not hold us up.
    /// Throws only when the program could not be started or watched; a failing program is a result.
    public func run(
        timeout: Duration,
        grace: Duration = .seconds(5),
        outputLimit: Int = 65536
    ) async throws(SystemError) -> CommandResult {
        let run = CommandRun(self, timeout: timeout, grace: grace, outputLimit: outputLimit)
        let result = await withTaskCancellationHandler {
            await DedicatedThread.run { run.result() }
        } onCancel: {
            run.cancel()
        }
        return try result.get()
    }
}
