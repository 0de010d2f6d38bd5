import Glibc

extension Terminal {
    /// Asks for one line that is not shown while it is typed; a failure where nobody can be asked.
    func askSecret(_ question: String, instead: String) throws -> [UInt8] {
        guard kind.canAsk else {
            throw CommandFailure.usage("\(question) cannot be asked, standard input is no terminal: use \(instead)")
        }
        let terminal = open("/dev/tty", O_RDWR | O_CLOEXEC)
        guard terminal >= 0 else { throw CommandFailure.usage("there is no terminal to ask on: use \(instead)") }
        defer { close(terminal) }
        var before = termios()
        tcgetattr(terminal, &before)
        var silent = before
        silent.c_lflag &= ~tcflag_t(ECHO)
        tcsetattr(terminal, TCSAFLUSH, &silent)
        defer {
            tcsetattr(terminal, TCSAFLUSH, &before)
            _ = write(terminal, "\n", 1)
        }
        let prompt = Array((StyledText.harmless(question) + ": ").utf8)
        _ = prompt.withUnsafeBytes { write(terminal, $0.baseAddress, $0.count) }
        return readLine(from: terminal)
    }

    /// Asks a yes-or-no question; no is the default, and the answer where nobody can be asked is a failure.
    func confirm(_ question: String, instead: String) throws -> Bool {
        guard kind.canAsk else {
            throw CommandFailure.usage("nobody can be asked to confirm, standard input is no terminal: use \(instead)")
        }
        show(question: question)
        let answer = String(decoding: readLine(from: STDIN_FILENO), as: UTF8.self).lowercased()
        return answer == "y" || answer == "yes"
    }

    /// The question itself, which may name what a node or the service calls itself.
    func show(question: String) {
        note(question + " [y/N]")
    }

    /// Asks whether to sign; a failure that says that nothing was signed where the answer is no.
    func confirmSigning(_ question: String) throws {
        guard try confirm(question, instead: "--yes") else { throw CommandFailure.refused("nothing was signed") }
    }

    /// Shows what is about to be signed, and asks; beside the result where that is JSON, for nobody says yes to what they
    /// have not read.
    func confirmSigning(_ lines: [StyledText], _ question: String = "sign it?", yes: Bool, json: Bool) throws {
        for line in lines where !json || !yes { self.line(line, to: json ? .error : .output) }
        if !yes { try confirmSigning(question) }
    }

    private func readLine(from descriptor: Int32) -> [UInt8] {
        var line: [UInt8] = []
        var byte: UInt8 = 0
        while line.count < 4096, read(descriptor, &byte, 1) == 1, byte != UInt8(ascii: "\n") { line.append(byte) }
        return line
    }
}
