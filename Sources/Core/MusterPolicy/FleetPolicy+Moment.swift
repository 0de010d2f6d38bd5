import ByteCoding

extension FleetPolicy {
    /// How many hours that follow on each other are looked through for one at which nothing is closed.
    private static let mostHours = 64

    /// The first moment from `time` on, and before `end`, at which no hour stands against the request; `time` where waiting
    /// does not help.
    ///
    /// What may begin tonight may be asked for and approved today: whoever carries it out holds it until then.
    public func moment(_ request: PolicyRequest, from time: UTCTime, before end: UTCTime) -> UTCTime {
        var moment = time
        for _ in 0..<Self.mostHours {
            guard case .refused(let reasons) = decide(request, time: moment) else { return moment }
            guard let opens = reasons.compactMap(\.opens).min(), opens > moment, opens < end else { return time }
            moment = opens
        }
        return time
    }
}
