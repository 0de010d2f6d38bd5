import MusterModel

/// How far an upgrade is; each phase is on the disk before the work behind it begins.
public enum UpgradePhase: String, Sendable, CaseIterable {
    /// Assigned and allowed; the package is being fetched.
    case assigned
    /// The whole file is there and has the signed hash.
    case downloaded
    /// The package itself was read, and is what the release says.
    case verified
    /// The way back is on the disk.
    case saved
    /// The package manager may have changed something from here on; the statement's id is used up.
    case installing
    /// The new version is installed; it must prove itself.
    case confirming
    /// The previous version is being put back.
    case rollingBack = "rolling-back"
    /// The new version stays.
    case done
    /// The previous version is back.
    case rolledBack = "rolled-back"
    /// Not allowed; nothing was changed.
    case refused
    /// Could not be fetched or installed; nothing was changed.
    case failed
    /// A newer manifest took the assignment back before anything was changed.
    case withdrawn

    /// Whether nothing is left to do but to remember how it ended.
    public var isFinal: Bool {
        switch self {
        case .done, .rolledBack, .refused, .failed, .withdrawn: true
        case .assigned, .downloaded, .verified, .saved, .installing, .confirming, .rollingBack: false
        }
    }

    /// Whether the package manager has not been started yet.
    public var isBeforeInstall: Bool {
        switch self {
        case .assigned, .downloaded, .verified, .saved: true
        case .installing, .confirming, .rollingBack, .done, .rolledBack, .refused, .failed, .withdrawn: false
        }
    }

    /// The step as reports name it; going back is still confirming to the service, until it is over.
    ///
    /// An assignment that was taken back is no failure, and may come again: it stays where it was, with the reason.
    public var reported: NodeProgress.State {
        switch self {
        case .assigned, .downloaded, .withdrawn: .downloading
        case .verified, .saved: .verified
        case .installing: .installing
        case .confirming, .rollingBack: .confirming
        case .done: .confirmed
        case .rolledBack: .rolledBack
        case .refused: .refused
        case .failed: .failed
        }
    }
}
