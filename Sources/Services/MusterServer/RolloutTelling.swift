import ByteCoding
import MusterIdentity
import MusterKeys
import MusterModel
import MusterRollout
import MusterStore

/// What people are told of rollouts: routine ones that go their way stay quiet.
struct RolloutTelling: Sendable {
    let notices: Notices
    let repository: Repository

    /// What waits for the channels after a step that had these effects; `isNew` where the step was the rollout's first.
    func waiting(
        _ rollout: LiveRollout,
        _ effects: [RolloutEffect],
        isNew: Bool,
        at time: UTCTime
    ) -> [StoredNotice] {
        let told = effects.compactMap { effect -> RolloutNotice? in
            switch effect {
            case .halted: notice(rollout, .halted, rollout.engine.phase.reason, at: time)
            case .ended(let reason):
                if case .expired = rollout.engine.phase { notice(rollout, .expired, reason, at: time) } else { nil }
            default: nil
            }
        }
        let begun = isNew ? notice(rollout, .started, rollout.missing, at: time).filter(\.isSecurity) : []
        guard !(begun.isEmpty && told.isEmpty) else { return [] }
        let message = NoticeMessage(
            id: Hex.encode(RandomBytes.make(16)),
            fleet: repository.current?.fleet,
            time: time,
            rollouts: begun + told
        )
        return message.map(notices.waiting) ?? []
    }

    private func notice(
        _ rollout: LiveRollout,
        _ event: RolloutNotice.Event,
        _ reason: String,
        at time: UTCTime
    ) -> RolloutNotice? {
        guard let body = rollout.body else { return nil }
        return RolloutNotice(
            event: event,
            rollout: rollout.id,
            package: body.package,
            version: body.version,
            isSecurity: repository.current?.releases.isSecurity(rollout.statement.statement) ?? false,
            reason: reason,
            by: event == .halted ? rollout.engine.phase.by : nil,
            time: time
        )
    }
}

extension RolloutNotice? {
    fileprivate func filter(_ isMeant: (RolloutNotice) -> Bool) -> [RolloutNotice] {
        map { isMeant($0) ? [$0] : [] } ?? []
    }
}
