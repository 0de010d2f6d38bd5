import Glibc
import MusterSystem
import MusterTestSupport
import Testing

@testable import MusterAgent

/// A log file that grows, is rotated, cut and not there at all.
@Suite("following sshd's log file")
struct SSHLogFileTests {
    private func append(_ text: String, _ path: String) throws {
        let file = try OpenFile(path, flags: O_WRONLY | O_CREAT | O_APPEND)
        try file.write(Array(text.utf8))
    }

    private func texts(_ file: inout SSHLogFile) throws -> [String] {
        try file.lines().map { String(decoding: $0, as: UTF8.self) }
    }

    @Test("only what is added is read, in whole lines")
    func growing() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("log")
        try append("old\n", path)
        var file = SSHLogFile(path, from: nil)
        #expect(try texts(&file) == [])
        try append("one\ntw", path)
        #expect(try texts(&file) == ["one"])
        try append("o\n", path)
        #expect(try texts(&file) == ["two"])
    }

    @Test("the rest of a rotated file and the new one are both read")
    func rotated() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("log")
        try append("", path)
        var file = SSHLogFile(path, from: nil)
        #expect(try texts(&file) == [])
        try append("before\n", path)
        rename(path, path + ".1")
        #expect(try texts(&file) == ["before"], "what came last, while there is no new file yet")
        try append("late\n", path + ".1")
        try append("after\n", path)
        #expect(try texts(&file) == ["late", "after"])
    }

    @Test("a follower that starts anew goes on where it stopped, through a rotation too")
    func restarted() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("log")
        try append("", path)
        var file = SSHLogFile(path, from: nil)
        #expect(try texts(&file) == [])
        let position = file.position
        try append("while away\n", path)
        var again = SSHLogFile(path, from: position)
        #expect(try texts(&again) == ["while away"])
        rename(path, path + ".1")
        try append("new\n", path)
        var third = SSHLogFile(path, from: position)
        #expect(try texts(&third) == ["while away", "new"])
    }

    @Test("a file that is cut to nothing, or appears late, is read from its beginning")
    func cutAndLate() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("log")
        var file = SSHLogFile(path, from: nil)
        #expect(try texts(&file) == [])
        try append("first\nsecond\n", path)
        var late = SSHLogFile(path, from: SSHLogFile.Position(inode: 1, offset: 99))
        #expect(try texts(&late) == ["first", "second"])
        truncate(path, 0)
        try append("anew\n", path)
        #expect(try texts(&late) == ["anew"])
    }

    @Test("an endless line is dropped, and the next one is read")
    func endlessLine() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("log")
        try append("", path)
        var file = SSHLogFile(path, from: nil)
        #expect(try texts(&file) == [])
        try append(String(repeating: "x", count: 100_000) + "\nshort\n", path)
        #expect(try texts(&file) == ["short"])
    }
}
