import ByteCoding
import MusterAPI
import MusterModel
import MusterTrust
import OpenSSHFormats
import RemoteShell

/// A run over SSH on one node: login, command, output and end, each told as the node's agent would.
struct NodeRunOverSSH: Sendable {
    /// Seconds after the command's own time in which its end must be seen: TERM, five seconds, KILL, and the way back.
    private static let margin: Int64 = 20
    private static let loginTime = Duration.seconds(30)

    let run: RunOverSSH
    let shell: RemoteShell
    let certificates: RunCertificateSource
    let hostKeys: NodeHostKeys
    let revoked: SSHRevocationList?
    let port: UInt16
    let now: @Sendable () -> UTCTime
    let say: @Sendable (RunUpdate) async -> Void

    /// Whether it succeeded.
    func carryOut(on record: NodeRecord) async -> Bool {
        let session: RemoteSession
        do {
            session = try await logIn(record)
        } catch let problem as NodeHostKeys.Problem {
            return await decline(record, .notStarted, problem.text)
        } catch let error as RemoteShellError where error.code == .cancelled {
            return await decline(record, .cancelled, error.message)
        } catch {
            return await decline(record, .notStarted, "\(error)")
        }
        defer { session.close() }
        return await perform(session, record)
    }

    /// Says that nothing ran.
    @discardableResult
    func decline(_ record: NodeRecord, _ state: RunState, _ reason: String) async -> Bool {
        await say(RunUpdate(state: state, at: now(), reason: Self.short(reason), node: record.id))
        return false
    }

    private func logIn(_ record: NodeRecord) async throws -> RemoteSession {
        let host = RemoteHost(
            address: record.address,
            port: port,
            user: run.account.text,
            hostKeys: try hostKeys.keys(of: record),
            revoked: revoked
        )
        return try await shell.connect(host, as: try await certificates.identity(), timeout: Self.loginTime)
    }

    private func perform(_ session: RemoteSession, _ record: NodeRecord) async -> Bool {
        let definition = run.body.definition
        let command = RemoteCommand(
            run.line,
            stopInput: ResolvedCommand.stopInput,
            timeout: .seconds(definition.timeoutSeconds + Self.margin),
            outputLimit: Int(definition.outputBytes)
        )
        let (started, begin) = (now(), ContinuousClock.now)
        await say(RunUpdate(state: .started, at: started, node: record.id))
        let (pieces, feed) = AsyncStream.makeStream(of: RunUpdate.Piece.self)
        // No child of this task: a stream that is read in a cancelled task ends at once, and the last words were lost.
        let relay = Task.detached { await pass(on: pieces, of: record.id, since: started) }
        let ended: Result<RemoteOutcome, RemoteShellError>
        do throws(RemoteShellError) {
            ended = .success(
                try await session.run(command) { output in
                    feed.yield(Self.piece(output, Self.milliseconds(since: begin)))
                }
            )
        } catch {
            ended = .failure(error)
        }
        let milliseconds = Self.milliseconds(since: begin)
        feed.finish()
        let offset = ended.bytes
        await relay.value
        switch ended {
        case .failure(let error):
            return await decline(record, error.code == .cancelled ? .cancelled : .notStarted, error.message)
        case .success(let outcome):
            let result = RunEnding.result(
                outcome,
                started: started,
                milliseconds: milliseconds,
                timeoutSeconds: definition.timeoutSeconds
            )
            let update = RunUpdate(
                state: result == nil ? .lost : .ended,
                at: now(),
                reason: result == nil ? Self.short(RunEnding.loss(outcome)) : "",
                offset: offset,
                result: result,
                node: record.id
            )
            await say(update)
            return result?.succeeded == true
        }
    }

    /// Tells the output in its order.
    private func pass(on pieces: AsyncStream<RunUpdate.Piece>, of node: NodeID, since started: UTCTime) async {
        var offset: Int64 = 0
        for await piece in pieces {
            await say(RunUpdate(state: .started, at: started, offset: offset, output: [piece], node: node))
            offset += Int64(piece.data.count)
        }
    }

    private static func piece(_ output: RemoteOutput, _ milliseconds: Int64) -> RunUpdate.Piece {
        RunUpdate.Piece(
            stream: output.stream == .error ? .errors : .output,
            milliseconds: milliseconds,
            data: output.bytes
        )
    }

    private static func milliseconds(since begin: ContinuousClock.Instant) -> Int64 {
        let (seconds, attoseconds) = (ContinuousClock.now - begin).components
        return seconds * 1000 + attoseconds / 1_000_000_000_000_000
    }

    /// As much of a reason as an update takes, in bytes.
    static func short(_ reason: String) -> String { reason.bounded(1000) }
}

extension Result<RemoteOutcome, RemoteShellError> {
    /// Bytes of output that were handed on.
    fileprivate var bytes: Int64 {
        if case .success(let outcome) = self { Int64(outcome.outputBytes) } else { 0 }
    }
}
