import ByteCoding

/// Decides what is announced now, so that everybody hears of every expiry and nobody hears the same thing twice.
///
/// - Each threshold is announced once: 30, 7 and 1 days before, and at the expiry.
/// - Whatever happened meanwhile (no service for a month, a clock that was wrong), only the most urgent threshold that is
///   reached is announced: never a flood.
/// - A clock that steps back, an expiry that comes nearer or trembles, and a subject that is not known for a while repeat
///   nothing.
/// - What was renewed is announced anew when its time comes. If it was renewed for so short that a threshold is reached
///   already, that one is not announced: whoever renewed it knows.
/// - What is seen for the first time 60 days after its expiry is no news.
public struct ExpiryNotices: Hashable, Sendable {
    /// What was announced last of one subject.
    public struct Announced: Hashable, Sendable {
        /// The threshold.
        public let threshold: ExpiryThreshold
        /// When the subject was to expire, as it was said then.
        public let expires: UTCTime

        /// A memory.
        public init(_ threshold: ExpiryThreshold, expires: UTCTime) {
            self.threshold = threshold
            self.expires = expires
        }
    }

    /// What one look at the subjects came to.
    public struct Round: Hashable, Sendable {
        /// What is announced now, the most urgent first.
        public var notices: [ExpiryNotice] = []
        /// What is to be remembered from now on, by `ExpirySubject.key`.
        public var remembered: [String: Announced] = [:]
        /// Keys that are not remembered any longer.
        public var forgotten: Set<String> = []

        /// A round in which nothing happened.
        public init() {}

        /// Whether there is nothing to write.
        public var isEmpty: Bool { notices.isEmpty && remembered.isEmpty && forgotten.isEmpty }
    }

    /// An expiry must move by more than this to count as renewed.
    private static let renewal: Int64 = 3_600_000
    /// What nobody has seen for so long after its expiry is forgotten: longer than `news`, so that it is not announced
    /// again when it is back.
    private static let memory: Int64 = 90 * 86_400_000
    /// How long after an expiry it is announced of a subject that was never seen before.
    private static let news: Int64 = 60 * 86_400_000

    /// What was announced last of each subject, by `ExpirySubject.key`.
    public private(set) var announced: [String: Announced]

    /// The decisions after these announcements.
    public init(announced: [String: Announced] = [:]) {
        self.announced = announced
    }

    /// Looks at every subject that is known at `time` and takes the outcome as done.
    public mutating func look(at subjects: [ExpirySubject], time: UTCTime) -> Round {
        var round = Round()
        for subject in subjects { look(at: subject, time, &round) }
        let known = Set(subjects.map(\.key))
        for (key, old) in announced where !known.contains(key) && time - old.expires > Self.memory {
            round.forgotten.insert(key)
        }
        for key in round.forgotten { announced[key] = nil }
        announced.merge(round.remembered) { $1 }
        round.notices.sort()
        return round
    }

    private func look(at subject: ExpirySubject, _ time: UTCTime, _ round: inout Round) {
        let reached = subject.threshold(at: time)
        guard let old = announced[subject.key] else {
            guard let reached else { return }
            round.remembered[subject.key] = Announced(reached, expires: subject.expires)
            guard time - subject.expires < Self.news else { return }
            round.notices.append(ExpiryNotice(subject: subject, threshold: reached, time: time))
            return
        }
        if let reached, reached > old.threshold {
            round.remembered[subject.key] = Announced(reached, expires: subject.expires)
            round.notices.append(ExpiryNotice(subject: subject, threshold: reached, time: time))
        } else if subject.expires - old.expires > Self.renewal {
            if let reached {
                round.remembered[subject.key] = Announced(reached, expires: subject.expires)
            } else {
                round.forgotten.insert(subject.key)
            }
        }
    }
}
