import AgentTestSupport
import ByteCoding
import MusterAgent
import MusterSystem
import MusterTestSupport

extension AgentClock {
    /// A clock that is wrong by so many seconds.
    static func ahead(by seconds: Int64) -> AgentClock {
        let system = AgentClock.system
        return AgentClock(
            now: { system.now().adding(seconds: seconds) },
            monotonic: system.monotonic,
            sleep: system.sleep,
            random: system.random
        )
    }
}

extension RunNode {
    /// The node's state as it is now.
    func snapshot() throws -> [String: [UInt8]] {
        var files: [String: [UInt8]] = [:]
        for name in ["executed.json", "memory.json"] {
            files[name] = try BoundedFile.readIfPresent(paths.folder + "/" + name, limit: 64 << 20)
        }
        return files
    }

    /// Puts files, or whole folders, back to what they were; what was not there is removed.
    func restore(_ names: [String], from files: [String: [UInt8]]) throws {
        for name in names {
            let path = paths.folder + "/" + name
            if let bytes = files[name] {
                try AtomicFile.write(bytes, to: path)
            } else if name == "runs" {
                for run in try Directory.entries(path) {
                    for file in try Directory.entries(path + "/" + run) {
                        try AtomicFile.remove(path + "/" + run + "/" + file)
                    }
                    try Directory.remove(path + "/" + run)
                }
            } else {
                try AtomicFile.remove(path)
            }
        }
    }
}
