import Glibc
import MusterSystem
import OpenSSHFormats

/// The KRL that sshd reads for each login: replaced whole, never by an older one, never by one that sshd could not read.
///
/// The agent keeps a copy of what the fleet signed, so that a list which somebody removed or altered comes back at the next
/// look, and does not wait for the service.
struct RevocationFile: Sendable {
    let path: String
    let copy: String
    let program: SSHDProgram

    /// Why a KRL was not taken; the one that was there still is.
    struct Refusal: Error, Sendable {
        let message: String
    }

    /// The newest list that the fleet signed, as it came; nil before the first.
    var newest: [UInt8]? { try? BoundedFile.read(copy, limit: SSHRevocationList.byteLimit) }

    /// The list as sshd reads it; nil where there is none, or a damaged one.
    func present() -> SSHRevocationList? {
        guard let bytes = try? BoundedFile.read(path, limit: SSHRevocationList.byteLimit) else { return nil }
        return try? SSHRevocationList(bytes: bytes)
    }

    /// Makes sure that the newest list is in its place, or an empty one before the first: sshd without the file refuses
    /// every public key.
    func prepare() async throws(Refusal) {
        let empty = try? SSHRevocationList(version: 0, date: 0, comment: "", sections: []).bytes
        guard let right = newest ?? empty else { throw Refusal(message: "an empty revocation list cannot be made") }
        if (try? BoundedFile.read(path, limit: SSHRevocationList.byteLimit)) == right { return }
        try await write(right)
    }

    /// Takes a list that the fleet signed; `version` is what the signed description says, where it does.
    func install(_ bytes: [UInt8], version: UInt64?) async throws(Refusal) {
        let list: SSHRevocationList
        do throws(SSHFormatError) {
            list = try SSHRevocationList(bytes: bytes)
        } catch {
            throw Refusal(message: "the fleet's revocation list cannot be read: \(error)")
        }
        if let version, list.version != version {
            throw Refusal(message: "the revocation list is version \(list.version), but \(version) was signed")
        }
        if let newest = newest.flatMap({ try? SSHRevocationList(bytes: $0) }), list.version < newest.version {
            throw Refusal(
                message: "the revocation list went back from version \(newest.version) to \(list.version)"
            )
        }
        try await write(bytes)
        do throws(SystemError) {
            try AtomicFile.write(bytes, to: copy)
        } catch {
            throw Refusal(message: "\(error)")
        }
    }

    /// Writes beside, lets OpenSSH look, then renames.
    private func write(_ bytes: [UInt8]) async throws(Refusal) {
        let candidate = path + ".new"
        do throws(SystemError) {
            try AtomicFile.write(bytes, to: candidate, mode: 0o644)
        } catch {
            throw Refusal(message: "\(error)")
        }
        if let objection = await program.objection(toRevocations: candidate) {
            unlink(candidate)
            throw Refusal(message: "OpenSSH cannot read the revocation list: \(objection)")
        }
        do throws(SystemError) {
            try AtomicFile.rename(candidate, to: path)
        } catch {
            throw Refusal(message: "\(error)")
        }
    }
}
