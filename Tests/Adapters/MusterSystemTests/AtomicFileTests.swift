import Glibc
import MusterSystem
import MusterTestSupport
import Synchronization
import Testing

@Suite struct AtomicFileTests {
    @Test("a file is created with exactly its mode and replaced whole")
    func replaced() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("state")
        try AtomicFile.write([1, 2, 3], to: path)
        try AtomicFile.write([4], to: path)
        #expect(try BoundedFile.read(path, limit: 16) == [4])
        #expect(try OpenFile(path).status().st_mode & 0o777 == 0o600)
        #expect(try Directory.entries(folder.path) == ["state"])
    }

    @Test("where the folder is missing nothing is left behind and the error names the path")
    func missingFolder() throws {
        let folder = try TemporaryFolder()
        let error = #expect(throws: SystemError.self) { try AtomicFile.write([1], to: folder.file("no/state")) }
        #expect(error?.isMissing == true)
        #expect(error?.description.contains("no/state") == true)
        #expect(try Directory.entries(folder.path).isEmpty)
    }

    @Test("a folder in the way is not replaced")
    func folderInTheWay() throws {
        let folder = try TemporaryFolder()
        try Directory.create(folder.file("state/inner"))
        #expect(throws: SystemError.self) { try AtomicFile.write([1], to: folder.file("state")) }
        #expect(try Directory.entries(folder.path) == ["state"])
    }

    @Test("of several who create a file one alone does, and what it wrote stays")
    func createdOnce() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("verdict")
        #expect(try AtomicFile.create([1], at: path))
        #expect(try !AtomicFile.create([2], at: path))
        #expect(try BoundedFile.read(path, limit: 16) == [1])
        #expect(try Directory.entries(folder.path) == ["verdict"])
    }

    @Test("a copy has the whole contents, whatever becomes of the original, and the mode that was asked for")
    func copied() throws {
        let folder = try TemporaryFolder()
        let bytes = (0..<600_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
        try AtomicFile.write(bytes, to: folder.file("program"))
        try AtomicFile.copy(folder.file("program"), to: folder.file("copy"), mode: 0o700)
        try AtomicFile.write([1], to: folder.file("program"))
        #expect(try BoundedFile.read(folder.file("copy"), limit: 1 << 20) == bytes)
        #expect(try OpenFile(folder.file("copy")).status().st_mode & 0o777 == 0o700)
        #expect(throws: SystemError.self) { try AtomicFile.copy(folder.file("none"), to: folder.file("copy")) }
        #expect(try Directory.entries(folder.path) == ["copy", "program"])
    }

    @Test("a file over its limit is refused, a missing one is nil")
    func bounded() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("large", [UInt8](repeating: 7, count: 1000))
        #expect(throws: SystemError.self) { try BoundedFile.read(path, limit: 999) }
        #expect(try BoundedFile.read(path, limit: 1000).count == 1000)
        #expect(try BoundedFile.readIfPresent(folder.file("none"), limit: 1) == nil)
        #expect(throws: SystemError.self) { try BoundedFile.read(folder.path, limit: 10) }
        #expect(throws: SystemError.self) { try BoundedFile.read("/dev/zero", limit: 10) }
    }

    @Test("one holder of a lock at a time, and none after it is given up")
    func lock() throws {
        let folder = try TemporaryFolder()
        var first = try FileLock.tryAcquire(folder.file("lock"))
        #expect(first != nil)
        #expect(try FileLock.tryAcquire(folder.file("lock")) == nil)
        #expect(throws: SystemError.self) { try FileLock.acquire(folder.file("lock")) }
        first = nil
        #expect(try FileLock.tryAcquire(folder.file("lock")) != nil)
    }

    @Test("a lock whose file its holders remove has one holder at a time too")
    func removedLock() async throws {
        let folder = try TemporaryFolder()
        let path = folder.file("lock")
        let holders = Holders()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    for _ in 0..<3000 {
                        guard let lock = try? FileLock.tryAcquire(path) else { continue }
                        holders.seen.withLock { seen in
                            seen.inside += 1
                            seen.held += 1
                            if seen.inside > 1 { seen.together += 1 }
                        }
                        sched_yield()
                        holders.seen.withLock { $0.inside -= 1 }
                        unlink(path)
                        withExtendedLifetime(lock) {}
                    }
                }
            }
        }
        let seen = holders.seen.withLock { $0 }
        #expect(seen.together == 0)
        #expect(seen.held > 100)
    }

    private final class Holders: Sendable {
        let seen = Mutex((inside: 0, together: 0, held: 0))
    }
}
