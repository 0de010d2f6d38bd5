import ByteCoding
import MusterModel
import PackageInstaller

/// One upgrade, from its assignment to its end: what is on the disk at any moment, and which step comes next.
///
/// ```
/// assigned -> downloaded -> verified -> saved -> installing -> confirming -> done
///     ^____________|___________|__________|           |             |
///     (a file that is damaged is fetched again)       v             v
/// before installing: refused, failed, withdrawn     rolling-back -> rolled-back
/// ```
/// A value without I/O: `apply` says what happened, `phase` what to do. Whoever is killed after writing a phase begins at
/// that phase again, so every step can be done twice.
public struct UpgradeJournal: Hashable, Sendable {
    /// What happened.
    public enum Event: Hashable, Sendable {
        /// The file is whole.
        case downloaded
        /// The package is what the release says.
        case verified
        /// The way back is known and on the disk.
        case saved(RollbackSource)
        /// A file that was there is damaged or gone.
        case fileLost
        /// The package manager is about to begin.
        case begun
        /// The agent found this installation begun when it started.
        case resumed
        /// The package manager has ended well; until then the version must have proved itself.
        case installed(confirmUntil: UTCTime)
        /// The agent found this version unproved when it started; it has until then.
        case confirmedAgain(confirmUntil: UTCTime)
        /// The package manager failed without changing anything.
        case unchanged(String)
        /// The new version is to go.
        case undone(String)
        /// The version proved itself, or was installed and proved already; what could not be looked at, if anything.
        case confirmed(String)
        /// The previous version is back.
        case putBack
        /// A check says no.
        case refused(String)
        /// It could not be done.
        case failed(String)
        /// The newest manifest does not carry the assignment any more.
        case withdrawn(String)
    }

    /// An event that does not fit the phase: a mistake of the program.
    public struct WrongEvent: Error, Hashable, Sendable {
        /// The phase.
        public let phase: UpgradePhase
        /// The event.
        public let event: Event
    }

    /// How often an installation is begun, and how often the new version may begin to prove itself, before the previous
    /// version is put back.
    public static let attempts = 3

    /// The assignment with the statement that allows it.
    public let assignment: UpdateManifest.Assignment
    /// What the release managers say of the file.
    public let release: ReleaseDescription
    /// The file.
    public let target: UpgradeBody.Target
    /// How far it is.
    public internal(set) var phase: UpgradePhase
    /// The way back, once it is saved.
    public internal(set) var source: RollbackSource?
    /// Why it does not go on, or how it ended; empty while all is well.
    public internal(set) var reason: String
    /// When the phase was entered.
    public internal(set) var changed: UTCTime
    /// Until when the new version must have proved itself.
    public internal(set) var confirmUntil: UTCTime?
    /// How often the installation was begun.
    public internal(set) var begun: Int
    /// How often the version began to prove itself: the agent, or the machine, may be what it breaks.
    public internal(set) var proofs = 0

    /// The journal of an assignment that is allowed.
    public init(
        assignment: UpdateManifest.Assignment,
        release: ReleaseDescription,
        target: UpgradeBody.Target,
        at time: UTCTime
    ) {
        self.assignment = assignment
        self.release = release
        self.target = target
        phase = .assigned
        reason = ""
        changed = time
        begun = 0
    }

    /// The rollout it belongs to.
    public var rollout: RolloutID { assignment.rollout }

    /// The file as muster remembers it once it is installed.
    public var installedRelease: InstalledRelease {
        InstalledRelease(target: target, version: release.version, counter: release.counter)
    }

    /// What the package manager says of the package where nothing was changed, or everything was put back.
    var stateBefore: PackageState { source?.version.map { .installed(version: $0) } ?? .absent }

    /// Takes an event at a moment; the journal is to be written before anything else is done.
    public mutating func apply(_ event: Event, at time: UTCTime) throws(WrongEvent) {
        switch (phase, event) {
        case (.assigned, .downloaded): phase = .downloaded
        case (.downloaded, .verified): phase = .verified
        case (.verified, .saved(let source)):
            self.source = source
            phase = .saved
        case (.downloaded, .fileLost), (.verified, .fileLost), (.saved, .fileLost): phase = .assigned
        case (.saved, .begun):
            begun = 1
            phase = .installing
        case (.installing, .resumed): begun += 1
        case (.installing, .installed(let time)):
            confirmUntil = time
            proofs = 1
            phase = .confirming
        case (.confirming, .confirmedAgain(let time)):
            confirmUntil = time
            proofs += 1
        case (.installing, .unchanged(let reason)): end(.failed, reason)
        case (.installing, .undone(let reason)), (.confirming, .undone(let reason)): end(.rollingBack, reason)
        case (.confirming, .confirmed(let note)): end(.done, note)
        case (.assigned, .confirmed): end(.done, "this very file is installed already")
        case (.rollingBack, .putBack): end(.rolledBack, reason)
        case (_, .refused(let reason)) where phase.isBeforeInstall: end(.refused, reason)
        case (_, .failed(let reason)) where phase.isBeforeInstall: end(.failed, reason)
        case (_, .withdrawn(let reason)) where phase.isBeforeInstall: end(.withdrawn, reason)
        default: throw WrongEvent(phase: phase, event: event)
        }
        changed = time
    }

    /// How far it is, as it is reported; `version` is what is installed now.
    public func progress(version: String, note: String = "") -> NodeProgress {
        let words = reason.isEmpty ? note : note.isEmpty ? reason : "\(reason); \(note)"
        return NodeProgress(
            rollout: rollout,
            state: phase.reported,
            version: version,
            reason: words.bounded(2048),
            at: changed
        )
    }

    private mutating func end(_ phase: UpgradePhase, _ reason: String) {
        self.phase = phase
        self.reason = reason
    }
}
