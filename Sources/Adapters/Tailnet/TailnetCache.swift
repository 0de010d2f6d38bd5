import MusterSystem
import Synchronization

/// Remembers a tailnet's answers for seconds, so that a thousand requests are not a thousand questions.
///
/// An answer is dropped as soon as `identities()` shows another key at that address. That nobody is there is remembered
/// for a second only, and an error not at all: it is thrown to everybody who waited for that question, and the next
/// caller asks again. At one moment there is one question for an address, and a bounded number in all.
public final class TailnetCache: TailnetSource {
    private struct Entry: Sendable {
        let identity: TailnetIdentity?
        let until: Int64
    }

    private struct Question: Sendable {
        let number: UInt64
        let task: Task<Result<TailnetIdentity?, TailnetError>, Never>
    }

    private struct State: Sendable {
        var entries: [IPAddress: Entry] = [:]
        var open: [IPAddress: Question] = [:]
        /// Questions so far; and the newest one that was asked before entries were last dropped.
        var asked: UInt64 = 0
        var outdated: UInt64 = 0
    }

    private let source: any TailnetSource
    private let lifetime: Int64
    private let clock: @Sendable () -> Int64
    private let state = Mutex(State())

    /// How long it is remembered that nobody is at an address, in milliseconds.
    private static let absence: Int64 = 1000
    /// Most addresses that are remembered, and most questions at one moment.
    private static let entryLimit = 100_000
    private static let questionLimit = 64

    /// A cache in front of a source; `clock` counts milliseconds and never goes back.
    public init(
        _ source: any TailnetSource,
        seconds: Int64 = 5,
        clock: @escaping @Sendable () -> Int64 = MonotonicClock.milliseconds
    ) {
        self.source = source
        lifetime = seconds * 1000
        self.clock = clock
    }

    /// Who is at an address.
    public func whois(_ address: String) async throws(TailnetError) -> TailnetIdentity? {
        guard let key = IPAddress(address) else { return nil }
        let now = clock()
        let found = state.withLock { state -> Entry? in
            guard let entry = state.entries[key], entry.until > now else { return nil }
            return entry
        }
        if let found { return found.identity }
        guard let question = question(key, now) else {
            throw TailnetError("too many questions wait for the tailnet's answer")
        }
        let result = await question.task.value
        answered(key, question, result)
        return try result.get()
    }

    /// Everybody; what is remembered of an address whose key is another now is forgotten.
    public func identities() async throws(TailnetError) -> [TailnetIdentity] {
        let identities = try await source.identities()
        var keys: [IPAddress: (id: String, key: String)] = [:]
        for identity in identities {
            for address in identity.addresses {
                if let address = IPAddress(address) { keys[address] = (identity.id, identity.key) }
            }
        }
        let found = keys
        state.withLock { state in
            let before = state.entries.count
            state.entries = state.entries.filter { address, entry in
                guard let identity = entry.identity else { return found[address] == nil }
                // Who is not among the peers may be this machine itself.
                guard let now = found[address] else { return true }
                return now.id == identity.id && now.key == identity.key
            }
            if state.entries.count != before { state.outdated = state.asked }
        }
        return identities
    }

    /// This machine.
    public func own() async throws(TailnetError) -> TailnetIdentity {
        try await source.own()
    }

    /// Forgets everything.
    public func removeAll() {
        state.withLock { state in
            state.entries = [:]
            state.outdated = state.asked
        }
    }

    private func question(_ key: IPAddress, _ now: Int64) -> Question? {
        state.withLock { state in
            if let open = state.open[key] { return open }
            guard state.open.count < Self.questionLimit else { return nil }
            state.asked += 1
            let question = Question(
                number: state.asked,
                task: Task { [source] in
                    do throws(TailnetError) {
                        return .success(try await source.whois(key.description))
                    } catch {
                        return .failure(error)
                    }
                }
            )
            state.open[key] = question
            return question
        }
    }

    private func answered(
        _ key: IPAddress,
        _ question: Question,
        _ result: Result<TailnetIdentity?, TailnetError>
    ) {
        let now = clock()
        state.withLock { state in
            guard state.open[key]?.number == question.number else { return }
            state.open[key] = nil
            // What was asked before a key was seen to change may be the answer of before the change.
            guard case .success(let identity) = result, question.number > state.outdated else { return }
            if state.entries.count >= Self.entryLimit { state.entries = state.entries.filter { $0.value.until > now } }
            guard state.entries.count < Self.entryLimit else { return }
            let until = now + (identity == nil ? min(Self.absence, lifetime) : lifetime)
            state.entries[key] = Entry(identity: identity, until: until)
        }
    }
}
