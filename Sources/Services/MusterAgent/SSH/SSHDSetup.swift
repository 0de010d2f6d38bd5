import ByteCoding
import Glibc
import Logging
import MusterSystem
import SignatureVerification

/// Puts the agent's part into sshd's configuration, and takes it out again.
///
/// A part counts only once sshd itself has found the whole configuration good with it; else what was there before is put
/// back. Until then the running sshd is not told anything, so its sessions and logins go on as before. Killed anywhere, the
/// next call finds in the record what was not finished.
struct SSHDSetup: Sendable {
    let options: SSHOptions
    let paths: SSHPaths
    let logger: Logger

    private var program: SSHDProgram { SSHDProgram(options: options) }
    private var place: String { options.dropInPath }

    /// Why sshd's configuration is not as it should be; the part is then not in it, or as it was before.
    struct Problem: Error, Sendable {
        let message: String
    }

    /// Brings the part into its place, has it checked, and lets sshd read it; `shown` is what sshd reads besides, once,
    /// when it starts (host certificates).
    ///
    /// Returns how sshd understands the whole.
    func apply(_ part: SSHDDropIn, shown: [[UInt8]]) async throws(Problem) -> SSHDEffective {
        if let obstacle = part.obstacle { throw Problem(message: obstacle) }
        if let objection = PathSafety.objection(to: part.principalsProgram) {
            throw Problem(message: "sshd would not run \(part.principalsProgram): \(objection)")
        }
        if part.principalsUser != "root" {
            for path in [part.principalsProgram, part.login] {
                guard let place = PathSafety.obstruction(on: path) else { continue }
                throw Problem(
                    message: "account \(part.principalsUser), which runs the principals command, may not pass \(place) "
                        + "on its way to \(path): open it with chmod o+x, or name another account with --principals-user"
                )
            }
        }
        let bytes = Array(part.text.utf8)
        var record = SSHDSetupRecord.load(paths.setup)
        if try present() != bytes {
            try await put(bytes, part, &record)
        }
        let effective = try await check(bytes, part, &record)
        let digest = Hex.encode(Digest.sha256(bytes + shown.flatMap { Digest.sha256($0) }))
        if record.loaded != digest { try await load(digest, effective, &record) }
        return effective
    }

    /// Takes the part out, where it is in.
    func withdraw() async throws(Problem) {
        var record = SSHDSetupRecord.load(paths.setup)
        guard try present() != nil || !record.loaded.isEmpty else { return }
        try keep { () throws(SystemError) in try AtomicFile.remove(place) }
        if let objection = await program.objection(to: options.configuration) {
            throw Problem(message: "\(options.configuration) is not valid, without muster's part either: \(objection)")
        }
        let effective = try await effective()
        try await load("", effective, &record)
        try keep { () throws(SystemError) in try AtomicFile.remove(paths.setup) }
        logger.notice("sshd's configuration is without muster's part now", metadata: ["file": "\(place)"])
    }

    // MARK: - Steps

    /// Writes the part after it passed by itself; what was there is remembered first.
    private func put(_ bytes: [UInt8], _ part: SSHDDropIn, _ record: inout SSHDSetupRecord) async throws(Problem) {
        try await checkAlone(bytes)
        let previous = try present()
        if previous != nil, record.checked == Self.digest(bytes) {
            logger.warning("sshd's drop-in was altered; it is put back", metadata: ["file": "\(place)"])
        }
        // What never passed a check is not worth going back to.
        if let previous, Self.digest(previous) == record.checked { record.previous = previous }
        if previous == nil { record.previous = nil }
        record.checked = ""
        record.loaded = ""
        let changed = record
        try keep { () throws(SystemError) in
            try changed.store(paths.setup)
            try Directory.create(Directory.parent(of: place), mode: 0o755)
            try AtomicFile.write(bytes, to: place, mode: 0o644)
        }
    }

    /// Has the whole configuration checked, unless these very bytes passed before; undoes the part where it fails.
    private func check(
        _ bytes: [UInt8],
        _ part: SSHDDropIn,
        _ record: inout SSHDSetupRecord
    ) async throws(Problem) -> SSHDEffective {
        let isNew = record.checked != Self.digest(bytes)
        if isNew, let objection = await program.objection(to: options.configuration) {
            throw try await undone("sshd does not accept its configuration with \(place): \(objection)", &record)
        }
        let effective = try await effective()
        if let danger = effective.danger(part) ?? SSHDMatchScan(options.configuration).danger(part) {
            throw try await undone("certificates are not accepted here: \(danger)", &record)
        }
        guard isNew else { return effective }
        record.checked = Self.digest(bytes)
        record.previous = nil
        let changed = record
        try keep { () throws(SystemError) in try changed.store(paths.setup) }
        return effective
    }

    /// Puts back what was there, and says how it is then.
    private func undone(_ reason: String, _ record: inout SSHDSetupRecord) async throws(Problem) -> Problem {
        let previous = record.previous
        let wasLoaded = !record.loaded.isEmpty
        try keep { () throws(SystemError) in
            if let previous {
                try AtomicFile.write(previous, to: place, mode: 0o644)
            } else {
                try AtomicFile.remove(place)
            }
        }
        record = SSHDSetupRecord()
        let empty = record
        try keep { () throws(SystemError) in try empty.store(paths.setup) }
        if let objection = await program.objection(to: options.configuration) {
            return Problem(message: "\(options.configuration) is not valid, without muster's part either: \(objection)")
        }
        if wasLoaded, let effective = try? await program.effective() {
            _ = await SSHDReload(options: options).run(effective)
        }
        return Problem(message: reason + "; it was put back as it was")
    }

    /// Lets the running sshd read what was checked; checked once more, since a wrong configuration would end it.
    private func load(
        _ digest: String,
        _ effective: SSHDEffective,
        _ record: inout SSHDSetupRecord
    ) async throws(Problem) {
        if let objection = await program.objection(to: options.configuration) {
            throw Problem(message: "sshd is not told to reload: \(objection)")
        }
        switch await SSHDReload(options: options).run(effective) {
        case .done: logger.notice("sshd reads its configuration anew")
        case .notRunning: logger.info("no sshd runs that would have to reload")
        case .failed(let reason): throw Problem(message: "sshd did not reload: \(reason)")
        }
        record.loaded = digest
        let changed = record
        try keep { () throws(SystemError) in try changed.store(paths.setup) }
    }

    /// The part as a configuration of its own, with the machine's host keys, without which sshd checks nothing.
    private func checkAlone(_ bytes: [UInt8]) async throws(Problem) {
        let keys = (try? await program.effective())?.all("hostkey") ?? []
        let lines = keys.map { "HostKey \($0)\n" }.joined()
        try keep { () throws(SystemError) in try AtomicFile.write(bytes + Array(lines.utf8), to: paths.candidate) }
        let objection = await program.objection(to: paths.candidate)
        unlink(paths.candidate)
        if let objection { throw Problem(message: "sshd does not accept muster's part: \(objection)") }
    }

    private func effective() async throws(Problem) -> SSHDEffective {
        do throws(SystemError) {
            return try await program.effective()
        } catch {
            throw Problem(message: "\(error)")
        }
    }

    /// The drop-in as it is.
    private func present() throws(Problem) -> [UInt8]? {
        var bytes: [UInt8]?
        try keep { () throws(SystemError) in
            bytes = try BoundedFile.readIfPresent(place, limit: SSHDSetupRecord.byteLimit / 2)
        }
        return bytes
    }

    private func keep(_ work: () throws(SystemError) -> Void) throws(Problem) {
        do throws(SystemError) {
            try work()
        } catch {
            throw Problem(message: "\(error)")
        }
    }

    private static func digest(_ bytes: [UInt8]) -> String { Hex.encode(Digest.sha256(bytes)) }
}
