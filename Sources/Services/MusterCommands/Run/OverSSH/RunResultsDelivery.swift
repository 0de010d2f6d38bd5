import MusterAPI
import MusterClient
import MusterModel
import Synchronization

/// Brings the service what the nodes of a run over SSH said, until all of it is on the service's disk.
///
/// Requests are made one after another and hold what came since the last one, so a fast command costs few of them; one that
/// fails is made again, since the service leaves out what it has.
final class RunResultsDelivery: Sendable {
    /// Most bytes of output in one request.
    private static let requestLimit = 2_000_000
    /// How long the service may be out of reach before results are given up.
    private static let patience = Duration.seconds(120)

    private struct Part {
        var offset: Int64 = 0
        var pieces: [RunUpdate.Piece] = []
        /// The newest state that was not sent.
        var newest: RunUpdate?
    }

    private struct State {
        var parts: [NodeID: Part] = [:]
        var isComplete = false
    }

    private let id: RunID
    private let service: ServiceConnection
    private let state = Mutex(State())

    init(_ id: RunID, _ service: ServiceConnection) {
        self.id = id
        self.service = service
    }

    /// Takes what a node said; updates of one node come in their order.
    func add(_ update: RunUpdate) {
        guard let node = update.node else { return }
        state.withLock { state in
            state.parts[node, default: Part()].pieces += update.output
            state.parts[node, default: Part()].newest = update
        }
    }

    /// Does the `work`, delivers what it adds, and returns when everything was delivered; `stop` is called when an operator
    /// ended the run elsewhere.
    func during(
        _ work: @Sendable () async -> Void,
        stop: @escaping @Sendable (RunSpread.Stop) -> Void
    ) async throws {
        // Not a child of the caller's task: what happened is reported also when that is cancelled.
        let delivery = Task.detached { try await self.deliver(stop) }
        let watch = Task.detached { await self.watch(stop) }
        await work()
        watch.cancel()
        state.withLock { $0.isComplete = true }
        try await delivery.value
    }

    // MARK: - Sending

    private func deliver(_ stop: @Sendable (RunSpread.Stop) -> Void) async throws {
        var failedSince: ContinuousClock.Instant?
        while true {
            let (updates, isComplete) = state.withLock { ($0.parts.isEmpty ? [] : Self.next(&$0.parts), $0.isComplete) }
            guard !updates.isEmpty else {
                if isComplete { return }
                try await Task.sleep(for: .milliseconds(50))
                continue
            }
            while true {
                do {
                    let record = try await service.authorized {
                        try await $0.sendResults(id, RunResults(updates: updates), session: $1)
                    }
                    failedSince = nil
                    if let end = Self.end(record) { stop(end) }
                    break
                } catch ClientError.unreachable(let name, let why) {
                    let since = failedSince ?? .now
                    failedSince = since
                    guard .now - since < Self.patience else {
                        throw CommandFailure.undetermined(
                            "the outcome is not on record: \(name) cannot be reached (\(why)); what was seen is above"
                        )
                    }
                    try await Task.sleep(for: .milliseconds(500))
                }
            }
        }
    }

    /// What is to be sent next, taken out: at most one update of each node, and so much output that one request takes it.
    private static func next(_ parts: inout [NodeID: Part]) -> [RunUpdate] {
        var room = requestLimit
        var updates: [RunUpdate] = []
        for node in parts.keys.sorted() where room > 0 {
            guard var part = parts[node], let newest = part.newest else { continue }
            let begin = part.offset
            let pieces = take(&part, atMost: min(room, RunUpdate.outputLimit))
            let count = pieces.reduce(0) { $0 + $1.data.count }
            room -= max(count, 256)
            // The final state comes with the last of the output, never before.
            let isWhole = part.pieces.isEmpty
            updates.append(
                RunUpdate(
                    state: isWhole ? newest.state : .started,
                    at: newest.at,
                    reason: newest.reason,
                    offset: begin,
                    output: pieces,
                    result: isWhole ? newest.result : nil,
                    node: node
                )
            )
            if isWhole { part.newest = nil }
            parts[node] = part
        }
        return updates
    }

    private static func take(_ part: inout Part, atMost limit: Int) -> [RunUpdate.Piece] {
        var room = limit
        var taken: [RunUpdate.Piece] = []
        var count = 0
        while count < part.pieces.count, room > 0, taken.count < 1000 {
            let piece = part.pieces[count]
            if piece.data.count <= room {
                taken.append(piece)
                count += 1
            } else {
                taken.append(RunUpdate.Piece(piece, Array(piece.data.prefix(room))))
                part.pieces[count] = RunUpdate.Piece(piece, Array(piece.data.dropFirst(room)))
            }
            let size = taken.last?.data.count ?? 0
            room -= size
            part.offset += Int64(size)
        }
        part.pieces.removeFirst(count)
        return taken
    }

    // MARK: - What others do

    /// Hears of a run that an operator ends while its nodes say nothing.
    private func watch(_ stop: @Sendable (RunSpread.Stop) -> Void) async {
        var revision: Int64 = -1
        while !Task.isCancelled {
            do {
                let known = revision
                let record = try await service.reading {
                    try await $0.run(id, after: known, wait: 25, session: $1)
                }
                revision = record.revision
                if let end = Self.end(record) { return stop(end) }
            } catch {
                try? await Task.sleep(for: .seconds(1))
            }
        }
    }

    /// Why no node is begun any more, where somebody, or too many failures, ended the run.
    private static func end(_ record: RunRecord) -> RunSpread.Stop? {
        let reason = record.reason.isEmpty ? "the run is \(record.state.rawValue)" : record.reason
        return switch record.state {
        // The service's words: a run that is being cancelled and one that halts are both stopping.
        case .stopping: RunSpread.Stop(reason: reason, endsProcesses: reason.hasPrefix("cancelled by "))
        case .cancelled: RunSpread.Stop(reason: reason, endsProcesses: true)
        case .denied, .expired, .halted: RunSpread.Stop(reason: reason, endsProcesses: false)
        case .waiting, .scheduled, .running, .succeeded, .failed: nil
        }
    }
}

extension RunUpdate.Piece {
    fileprivate init(_ piece: RunUpdate.Piece, _ data: [UInt8]) {
        self.init(stream: piece.stream, milliseconds: piece.milliseconds, data: data)
    }
}
