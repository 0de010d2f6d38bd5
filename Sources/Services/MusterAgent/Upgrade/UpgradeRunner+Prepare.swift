import Glibc
import MusterModel
import MusterSystem
import PackageInstaller

extension UpgradeRunner {
    /// assigned -> downloaded: brings the file, unless this very file is installed already.
    func fetch(_ journal: UpgradeJournal) async throws(UpgradeStop) -> StepResult {
        let package = journal.release.package
        do throws(PackageError) { _ = try sources.source(journal.release.format) } catch {
            return .done(.refused(error.message))
        }
        if await state.memory.installed[package] == journal.installedRelease,
            try await packageState(journal.release) == .installed(version: journal.release.version)
        {
            // Obeyed without any work: offered again after a roll-back, it would undo that.
            try await useUp(journal.assignment.statement.statement)
            return .done(.confirmed(""))
        }
        guard let failure = try await whileCarried({ await downloadFailure(journal.installedRelease) }) else {
            return .withdrawn
        }
        return failure.isEmpty ? .done(.downloaded) : .retry(failure)
    }

    /// downloaded -> verified: the package's own name, version and architecture are the signed ones.
    func verify(_ journal: UpgradeJournal) async throws(UpgradeStop) -> StepResult {
        let path = state.paths.downloaded(journal.installedRelease)
        guard let file = StoredPackage.open(path, journal.installedRelease) else { return .done(.fileLost) }
        do throws(PackageError) {
            let package = try PackageFile.inspect(file)
            guard package.sha256 == journal.target.sha256 else { return .done(.fileLost) }
            if let reason = disagreement(package.identity, journal.release) { return .done(.refused(reason)) }
            let architecture = try await sources.architecture()
            guard ["all", architecture].contains(package.identity.architecture) else {
                return .done(
                    .refused("\(journal.target.path) is for \(package.identity.architecture), not for \(architecture)")
                )
            }
            return .done(.verified)
        } catch {
            switch error.code {
            case .malformed, .tooLarge: return .done(.refused("\(journal.target.path): \(error.message)"))
            default: return .retry(error.message)
            }
        }
    }

    /// verified -> saved: makes sure that the previous version is at hand.
    func save(_ journal: UpgradeJournal) async throws(UpgradeStop) -> StepResult {
        let package = journal.release.package
        guard let version = try await packageState(journal.release).version else { return .done(.saved(.remove)) }
        if let reason = floorRefusal(journal, installed: version) { return .done(.refused(reason)) }
        let paths = state.paths
        if let known = await state.memory.installed[package], known.version == version,
            StoredPackage.open(paths.saved(known), known) != nil
        {
            return .done(.saved(.file(known)))
        }
        if version == journal.release.version {
            return keep(journal.installedRelease, .link)
        }
        switch await authority.release(of: package, version: version) {
        case .unavailable(let reason): return .retry(reason)
        case .none:
            return .done(
                .refused(
                    "\(package) \(version) is installed and no trusted release holds it to go back to; "
                        + "add that version as a release first"
                )
            )
        case .found(let release):
            guard let failure = try await whileCarried({ await downloadFailure(release) }) else { return .withdrawn }
            guard failure.isEmpty else {
                return .retry("cannot keep \(package) \(version) to go back to: \(failure)")
            }
            return keep(release, .move)
        }
    }

    /// Why the release is not for a node with this version: it must pass through another one first.
    private func floorRefusal(_ journal: UpgradeJournal, installed version: String) -> String? {
        let release = journal.release
        guard let floor = release.floor, journal.assignment.statement.statement.type != .rollBack,
            release.isBelowFloor(installed: version)
        else { return nil }
        return "\(release.package) \(version) is installed, and \(release.version) may only follow \(floor) or newer: "
            + "roll out \(floor) first"
    }

    /// Why a file could not be fetched; empty when it is there.
    private func downloadFailure(_ release: InstalledRelease) async -> String {
        do throws(DownloadError) {
            try await download.fetch(release)
            return ""
        } catch {
            return error.message
        }
    }

    /// saved -> installing: asks once more whether it is wanted and allowed, uses the statement up, and begins.
    func begin(_ journal: UpgradeJournal) async throws(UpgradeStop) {
        try await persevere(journal) { journal throws(UpgradeStop) in
            if let result = await askAgain() { return result }
            switch await authority.judge(journal.assignment, memory: await state.memory) {
            case .unavailable(let reason): return .retry(reason)
            case .closed(let reason, let until): return .closed(reason, until: until)
            case .refused(let reason): return .done(.refused(reason))
            case .allowed(let release, let target):
                guard release == journal.release, target == journal.target else {
                    return .done(.refused("\(journal.target.path) is described otherwise by now"))
                }
            }
            let path = state.paths.downloaded(journal.installedRelease)
            guard StoredPackage.open(path, journal.installedRelease) != nil else { return .done(.fileLost) }
            return securedWayBack(journal)
        }
    }

    /// The last look before the installation: the file to go back to is whole, and there is room to unpack it.
    private func securedWayBack(_ journal: UpgradeJournal) -> StepResult {
        var length: Int64 = 0
        if case .file(let previous) = journal.source {
            guard StoredPackage.open(state.paths.saved(previous), previous) != nil else { return .done(.fileLost) }
            length = previous.target.length
        }
        do throws(SystemError) {
            try reserve.take(length: length)
            return .done(.begun)
        } catch {
            return .retry("no room for the way back: \(error)")
        }
    }

    private enum Transfer {
        case link
        case move
    }

    /// Puts a downloaded file among the saved ones.
    private func keep(_ release: InstalledRelease, _ transfer: Transfer) -> StepResult {
        let from = state.paths.downloaded(release)
        let to = state.paths.saved(release)
        do throws(SystemError) {
            switch transfer {
            case .move: try AtomicFile.rename(from, to: to)
            case .link:
                guard link(from, to) == 0 || errno == EEXIST else { throw SystemError("keep", to, errno: errno) }
                try Directory.sync(state.paths.saved)
            }
            guard StoredPackage.open(to, release) != nil else {
                throw SystemError("keep", to, because: "it is damaged")
            }
            return .done(.saved(.file(release)))
        } catch {
            return .retry("\(error)")
        }
    }

    /// What the file says of itself other than what was signed.
    private func disagreement(_ identity: PackageIdentity, _ release: ReleaseDescription) -> String? {
        let pairs = [
            ("format", identity.format.rawValue, release.format), ("name", identity.name, release.package),
            ("version", identity.version, release.version),
            ("architecture", identity.architecture, release.architecture),
        ]
        return pairs.first { $0.1 != $0.2 }.map { "the package's \($0.0) is \($0.1), but \($0.2) was signed" }
    }
}
