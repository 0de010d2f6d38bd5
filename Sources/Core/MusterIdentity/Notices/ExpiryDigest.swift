import ByteCoding

/// Decides when the daily digest is due, and what it lists.
///
/// It comes once a day at an hour of UTC, and only where something has come to a threshold. A service that was down at that
/// hour sends it when it is back, one for all the days; a new service begins with the next hour. What expired more than
/// 30 days ago is left out: `muster node list` still shows it. It is not sent where all of it is announced at this moment.
public struct ExpiryDigest: Hashable, Sendable {
    private static let day: Int64 = 86_400_000
    private static let silence: Int64 = 30 * day

    /// The hour of UTC, 0 to 23.
    public let hour: Int

    /// A digest at this hour; nil for an hour that no day has.
    public init?(hour: Int) {
        guard (0...23).contains(hour) else { return nil }
        self.hour = hour
    }

    /// The last moment up to `time` at which a digest was due.
    public func lastDue(at time: UTCTime) -> UTCTime {
        let shift = Int64(hour) * 3_600_000
        let sinceFirst = time.milliseconds.subtractingReportingOverflow(shift)
        guard !sinceFirst.overflow, sinceFirst.partialValue >= 0 else { return UTCTime(milliseconds: shift - Self.day) }
        return UTCTime(milliseconds: sinceFirst.partialValue / Self.day * Self.day + shift)
    }

    /// What one look came to.
    public struct Round: Hashable, Sendable {
        /// What the digest lists; empty where none is sent.
        public let notices: [ExpiryNotice]
        /// What to remember as the last digest; nil where nothing changes.
        public let done: UTCTime?
    }

    /// Looks whether a digest is due at `time`, after the one that was due at `last` (nil for a new service).
    ///
    /// `announced` are the keys of what is announced at this very moment.
    public func look(
        at subjects: [ExpirySubject],
        last: UTCTime?,
        time: UTCTime,
        announced: Set<String> = []
    ) -> Round {
        let due = lastDue(at: time)
        guard let last else { return Round(notices: [], done: due) }
        guard due > last else { return Round(notices: [], done: nil) }
        let notices = notices(subjects, at: time)
        let isKnown = notices.allSatisfy { announced.contains($0.subject.key) }
        return Round(notices: isKnown ? [] : notices, done: due)
    }

    /// Everything that has come to a threshold, the most urgent first.
    public func notices(_ subjects: [ExpirySubject], at time: UTCTime) -> [ExpiryNotice] {
        subjects.compactMap { subject in
            guard time - subject.expires <= Self.silence else { return nil }
            return subject.threshold(at: time).map { ExpiryNotice(subject: subject, threshold: $0, time: time) }
        }.sorted()
    }
}
