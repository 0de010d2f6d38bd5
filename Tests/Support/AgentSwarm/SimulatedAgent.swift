import ByteCoding
import CanonicalJSON
import Glibc
import MusterAPI
import MusterClient
import MusterModel
import MusterTestSupport
import SignatureVerification
import TUF

/// A node that talks as an agent does over real HTTP, and runs nothing.
///
/// It polls, takes each run once, says that it started, waits a little, and delivers its output and result until that is
/// acknowledged, however often the service is away meanwhile.
struct SimulatedAgent: Sendable {
    let id: NodeID
    let name: String
    let key: TestKey
    let service: SwarmService
    let swarm: AgentSwarm
    /// Whether it verifies its manifests whole; all others only look for runs in them.
    let isThorough: Bool

    /// Lives until its task is cancelled.
    func live() async {
        var session = ""
        var sequence: Int64 = 0
        var taken: Set<RunID> = []
        await withTaskGroup { work in
            while !Task.isCancelled {
                do {
                    if session.isEmpty { session = try await open() }
                    swarm.note(\.polls)
                    guard
                        let bytes = try await service.client.manifest(after: sequence, wait: 55, session: session),
                        let manifest = try read(bytes)
                    else { continue }
                    sequence = manifest.sequence
                    for run in manifest.runs where taken.insert(run).inserted {
                        swarm.began(run, id)
                        work.addTask { [session] in await carryOut(run, session) }
                    }
                } catch {
                    if (error as? ClientError)?.status == 401 { session = "" }
                    try? await Task.sleep(for: .milliseconds(Int.random(in: 200...1000)))
                }
            }
        }
    }

    private func open() async throws -> String {
        let challenge = try await service.client.nodeChallenge(id).challenge
        let proof = NodeSessionRequest.proof(fleet: service.fleet.fleet, node: id, challenge: challenge)
        let request = NodeSessionRequest(node: id, challenge: challenge, signature: key.sign(proof.canonicalBytes))
        return try await service.client.nodeSession(request).token
    }

    /// Runs nothing, and says how that went.
    private func carryOut(_ run: RunID, _ session: String) async {
        await deliver(run, session, .started, output: [], result: nil)
        try? await Task.sleep(for: .milliseconds(Int.random(in: 0...swarm.runMilliseconds)))
        let text = Array("\(name) ran \(run)\n".utf8)
        let result = RunResult(
            ending: .exited(0),
            outputBytes: Int64(text.count),
            started: UTCTime(milliseconds: 1_700_000_000_000),
            milliseconds: 7,
            note: name
        )
        let piece = RunUpdate.Piece(stream: .output, milliseconds: 1, data: text)
        await deliver(run, session, .ended, output: [piece], result: result)
        if !Task.isCancelled { swarm.delivered(run, id) }
    }

    /// Says it until the service has it on its disk.
    private func deliver(
        _ run: RunID,
        _ session: String,
        _ state: RunState,
        output: [RunUpdate.Piece],
        result: RunResult?
    ) async {
        let update = RunUpdate(
            state: state,
            at: UTCTime(milliseconds: 1_700_000_000_000),
            output: output,
            result: result
        )
        while !Task.isCancelled {
            do {
                _ = try await service.client.update(run, update, session: session)
                return
            } catch {
                swarm.note(\.repetitions)
                try? await Task.sleep(for: .milliseconds(Int.random(in: 200...1000)))
            }
        }
    }

    // MARK: - Manifests

    private func read(_ bytes: [UInt8]) throws -> (sequence: Int64, runs: [RunID])? {
        guard !isThorough else { return try verify(bytes) }
        guard let sequence = Self.number(after: "\"sequence\":", in: bytes) else { return nil }
        let run = Self.text(after: "\"runs\":[{\"run\":\"", count: 32, in: bytes).flatMap { RunID($0) }
        return (sequence, run.map { [$0] } ?? [])
    }

    private func verify(_ bytes: [UInt8]) throws -> (sequence: Int64, runs: [RunID])? {
        let envelope = try SignedEnvelope(parsing: bytes, limit: UpdateManifest.byteLimit)
        let manifest = try UpdateManifest(try JSONFields(envelope.signed))
        let isGenuine = envelope.signatures.contains {
            Ed25519.verify(
                signature: $0.signature,
                message: envelope.canonicalBytes,
                publicKey: service.fleet.manifestKey.publicKey
            )
        }
        guard isGenuine, manifest.node == id, manifest.fleet == service.fleet.fleet else {
            swarm.note(\.forgeries)
            return nil
        }
        swarm.note(\.verified)
        return (manifest.sequence, manifest.runs.map(\.run))
    }

    private static func text(after mark: String, count: Int, in bytes: [UInt8]) -> String? {
        let mark = Array(mark.utf8)
        let found = bytes.withUnsafeBytes { all in mark.withUnsafeBytes { Self.position(of: $0, in: all) } }
        guard let start = found.map({ $0 + mark.count }), start + count <= bytes.count else { return nil }
        return String(decoding: bytes[start..<(start + count)], as: UTF8.self)
    }

    /// Thousands of manifests are looked through at once, so the C library does it.
    private static func position(of wanted: UnsafeRawBufferPointer, in all: UnsafeRawBufferPointer) -> Int? {
        guard let start = all.baseAddress, let mark = wanted.baseAddress, let first = wanted.first else { return nil }
        var offset = 0
        while offset + wanted.count <= all.count {
            guard let next = memchr(start + offset, Int32(first), all.count - offset - wanted.count + 1) else {
                return nil
            }
            offset = UnsafeRawPointer(next) - start
            if memcmp(next, mark, wanted.count) == 0 { return offset }
            offset += 1
        }
        return nil
    }

    private static func number(after mark: String, in bytes: [UInt8]) -> Int64? {
        guard let text = text(after: mark, count: 8, in: bytes) else { return nil }
        return Int64(text.prefix { $0.isNumber })
    }
}
