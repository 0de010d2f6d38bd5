import CanonicalJSON
import Glibc
import MusterModel
import MusterSystem
import OpenSSHFormats

/// The KRL that sshd reads for each login: replaced whole, never by an older one, never by one that sshd could not read, and
/// never by one that names a user CA, any CA, or serials beyond number.
///
/// Whoever stole the key of the role `revocations` can still revoke the serials given so far, and many to come, until that key
/// is traded: the list that the next key signs takes the place of theirs, whatever its version.
///
/// The agent keeps a copy of what the fleet signed, so that a list which somebody removed or altered comes back at the next
/// look, and does not wait for the service. Beside it is noted who signed it:
/// ```
/// {"fleet": "…", "keys": ["key id of the role revocations", …]}
/// ```
/// Versions count under the same keys only: whoever stole one may have raised the version as far as it goes, and that ends
/// with the key.
struct RevocationFile: Sendable {
    let paths: SSHPaths
    let fleet: FleetID
    let program: SSHDProgram

    /// The highest version of a list: a service counts seconds and comes nowhere near.
    static let versionLimit = UInt64(Int64.max / 2)

    /// Most serials that a list revokes, over all CAs: a service counts serials up from 1 and comes nowhere near.
    ///
    /// How many, not how high: those that somebody made up with a stolen CA may be any, and are revoked like others.
    static let serialLimit: UInt64 = 1 << 32

    /// Most bytes of the note about the copy: 1024 key ids of 256 bytes, and what JSON adds.
    private static let originLimit = 1 << 20

    /// Why a KRL was not taken; the one that was there still is.
    struct Refusal: Error, Sendable {
        let message: String
    }

    /// Who signed the copy.
    private struct Origin: Hashable {
        let fleet: FleetID
        let keys: [String]
    }

    /// The newest list that the fleet signed, as it came; nil before the first.
    var newest: [UInt8]? {
        if let origin, origin.fleet != fleet { return nil }
        return try? BoundedFile.read(paths.revocationsCopy, limit: SSHRevocationList.byteLimit)
    }

    /// The list as sshd reads it; nil where there is none, or a damaged one.
    func present() -> SSHRevocationList? {
        guard let bytes = try? BoundedFile.read(paths.revocations, limit: SSHRevocationList.byteLimit) else {
            return nil
        }
        return try? SSHRevocationList(bytes: bytes)
    }

    /// Makes sure that the newest list is in its place, or an empty one before the first: sshd without the file refuses
    /// every public key.
    func prepare() async throws(Refusal) {
        let empty = try? SSHRevocationList(version: 0, date: 0, comment: "", sections: []).bytes
        guard let right = newest ?? empty else { throw Refusal(message: "an empty revocation list cannot be made") }
        if (try? BoundedFile.read(paths.revocations, limit: SSHRevocationList.byteLimit)) == right { return }
        try await write(right)
    }

    /// Notes that these keys sign `list` now, where it is the copy, or where an older agent noted nothing of its copy.
    func note(_ keys: [String], for list: [UInt8]) throws(Refusal) {
        let now = Origin(fleet: fleet, keys: keys)
        let before = origin
        guard before != now, let newest, before == nil || newest == list else { return }
        try keep(now)
    }

    /// Takes a list that the fleet signed by one of `keys`; `version` is what the signed description says, where it does, and
    /// `authorities` are the user CAs that the fleet trusts now.
    func install(
        _ bytes: [UInt8],
        version: UInt64?,
        keys: [String],
        authorities: [SSHTrust.Authority]
    ) async throws(Refusal) {
        let list: SSHRevocationList
        do throws(SSHFormatError) {
            list = try SSHRevocationList(bytes: bytes)
        } catch {
            throw Refusal(message: "the fleet's revocation list cannot be read: \(error)")
        }
        if let version, list.version != version {
            throw Refusal(message: "the revocation list is version \(list.version), but \(version) was signed")
        }
        if let objection = Self.objection(to: list, authorities) { throw Refusal(message: objection) }
        let now = Origin(fleet: fleet, keys: keys)
        let before = origin
        if before == nil || before == now, let lowest = lowestVersion(authorities), list.version < lowest {
            throw Refusal(
                message: "the revocation list went back from version \(lowest) to \(list.version), and the newer one "
                    + "stays: where the service's register was restored from an older copy, revoke again what was revoked since "
                    + "('muster ssh revoke'); where it was not, its keys are in other hands "
                    + "('muster fleet renew --rotate-service-keys')"
            )
        }
        try await write(bytes)
        do throws(SystemError) {
            try AtomicFile.write(bytes, to: paths.revocationsCopy)
        } catch {
            throw Refusal(message: "\(error)")
        }
        // Last: a note of the new keys beside a list of the old ones would make its version count again.
        try keep(now)
    }

    /// Why no honest service publishes such a list; nil where one may.
    ///
    /// A CA that retires may be revoked: another signs, whose certificates go on opening doors.
    private static func objection(to list: SSHRevocationList, _ authorities: [SSHTrust.Authority]) -> String? {
        let stolen = "somebody else has the service's keys: 'muster fleet renew --rotate-service-keys'"
        guard list.version <= versionLimit else {
            return "the revocation list is not taken: there is no room above its version \(list.version); \(stolen)"
        }
        var serials: UInt64 = 0
        for section in list.sections {
            switch section {
            case .sha256: continue
            case .certificates(_?, let parts):
                for part in parts { serials = sum(serials, count(part)) }
            case .certificates(nil, _):
                return "the revocation list \(list.version) is not taken: it names certificates of any CA, as no "
                    + "service of a fleet does; \(stolen)"
            case .keys, .sha1:
                return "the revocation list \(list.version) is not taken: it names keys as no service of a fleet does; "
                    + stolen
            }
        }
        guard serials <= serialLimit else {
            return "the revocation list \(list.version) is not taken: it revokes more than \(serialLimit) serials, as "
                + "no service of a fleet does; \(stolen)"
        }
        if let authority = authorities.first(where: { $0.phase != .retiring && list.revokes($0.publicKey) }) {
            let fingerprint = authority.publicKey.fingerprint
            return "the revocation list \(list.version) is not taken: it revokes the user CA \(fingerprint), "
                + "which the fleet trusts, and would lock everybody out; trade that CA first ('muster ssh rotate user'), "
                + "or, where nobody revoked it, \(stolen)"
        }
        return nil
    }

    /// How many serials a part names at most.
    private static func count(_ part: SSHRevocationList.CertificatePart) -> UInt64 {
        switch part {
        case .serials(let serials): UInt64(serials.count)
        case .range(let range): sum(range.upperBound - range.lowerBound, 1)
        case .bitmap(_, let bits): UInt64(bits.count) * 8
        case .keyIDs: 0
        }
    }

    /// The sum; the largest number where it is more.
    private static func sum(_ first: UInt64, _ second: UInt64) -> UInt64 {
        let (sum, overflow) = first.addingReportingOverflow(second)
        return overflow ? .max : sum
    }

    /// The version of the copy; nil where it is none that would be taken today.
    private func lowestVersion(_ authorities: [SSHTrust.Authority]) -> UInt64? {
        guard let list = newest.flatMap({ try? SSHRevocationList(bytes: $0) }),
            Self.objection(to: list, authorities) == nil
        else { return nil }
        return list.version
    }

    // MARK: - Files

    /// Who signed the copy; nil where that is not noted.
    private var origin: Origin? {
        let read = try? StateFile.load(paths.revocationsOrigin, limit: Self.originLimit) { fields throws(JSONError) in
            Origin(fleet: try fields.name("fleet"), keys: try fields.strings("keys", limit: 1024, each: 256))
        }
        return read ?? nil
    }

    private func keep(_ origin: Origin) throws(Refusal) {
        let json: JSONValue = [
            "fleet": .string(origin.fleet.text), "keys": .array(origin.keys.map { .string($0) }),
        ]
        do throws(SystemError) {
            try StateFile.store(json, paths.revocationsOrigin)
        } catch {
            throw Refusal(message: "\(error)")
        }
    }

    /// Writes beside, lets OpenSSH look, then renames.
    private func write(_ bytes: [UInt8]) async throws(Refusal) {
        let path = paths.revocations
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
