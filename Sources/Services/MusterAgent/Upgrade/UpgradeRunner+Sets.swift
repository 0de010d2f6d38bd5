import MusterModel
import MusterSystem
import PackageInstaller

extension UpgradeRunner {
    /// verified -> saved: as `save`, and what is installed together must be able to go back together.
    func secure(_ journal: UpgradeJournal) async throws(UpgradeStop) -> StepResult {
        let result = try await save(journal)
        guard case .done(.saved(let source)) = result else { return result }
        do throws(PackageError) {
            guard let reason = try await obstacle(journal, source) else { return result }
            return .done(.refused(reason))
        } catch {
            return .retry(error.message)
        }
    }

    /// Why a set of packages may not be installed: nobody could bring it back, or the owner keeps one of them as it is; nil
    /// for one that may, and for what is no set.
    ///
    /// Putting a set back is one run of the package manager too, which can only succeed if that has everything it needs: the
    /// very versions that are there now, of the same packages.
    private func obstacle(_ journal: UpgradeJournal, _ source: RollbackSource) async throws(PackageError) -> String? {
        guard journal.release.format == PackageFormat.deb.rawValue else { return nil }
        let file = try stored(state.paths.downloaded(journal.installedRelease), journal.installedRelease)
        guard try DebianSet.isSet(file) else { return nil }
        // Whoever judges a failed installation goes by the name.
        guard journal.target.path.hasSuffix(DebianSet.ending) else {
            return "\(journal.target.path) is a set of packages, and is not named as one"
        }
        let coming = try PackageFile.inspect(file)
        if let reason = coming.companions.lazy.compactMap({ queue.pinned($0.name) }).first { return reason }
        return try await wayBackObstacle(journal, coming, source).map {
            "\($0): \(journal.release.package) could not go back"
        }
    }

    private func wayBackObstacle(
        _ journal: UpgradeJournal,
        _ coming: PackageFile,
        _ source: RollbackSource
    ) async throws(PackageError) -> String? {
        guard case .file(let previous) = source else {
            return "\(journal.target.path) is a set, and \(coming.identity.name) is not installed"
        }
        let leaving = try PackageFile.inspect(try stored(state.paths.saved(previous), previous))
        let before = [leaving.identity] + leaving.companions
        for identity in [coming.identity] + coming.companions
        where !before.contains(where: { $0.name == identity.name }) {
            return "\(previous.target.path) does not hold \(identity.name), which \(journal.target.path) does"
        }
        for identity in before {
            let found = try await sources.source(journal.release.format).state(of: identity.name)
            guard found.version == identity.version else {
                return "\(identity.name) is \(found.words), not \(identity.version) as in \(previous.target.path)"
            }
        }
        return nil
    }

    private func stored(_ path: String, _ release: InstalledRelease) throws(PackageError) -> OpenFile {
        guard let file = StoredPackage.open(path, release) else {
            throw PackageError(.unreadable, "\(path) is damaged or gone")
        }
        return file
    }
}
