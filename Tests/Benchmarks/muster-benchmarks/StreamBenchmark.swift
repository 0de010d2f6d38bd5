import Glibc
import MusterSystem
import SignatureVerification
import TUF
import TUFTrust

/// Verifies a file of 1 GiB while it streams, beside `openssl dgst -sha256` of the same file.
enum StreamBenchmark {
    static let length: Int64 = 1 << 30

    static func figure(in folder: String, program: String) throws -> Figure {
        let path = folder + "/gibibyte"
        try makeFile(path)
        defer { unlink(path) }
        var ours: [Double] = []
        var theirs: [Double] = []
        var peak = 0
        for _ in 0..<5 {
            let usage = try Child.run([program, "--verify-stream", path])
            ours.append(usage.cpu)
            peak = max(peak, usage.peakKiB)
            theirs.append(try Child.run(["openssl", "dgst", "-sha256", path]).cpu)
        }
        let value = ours.sorted()[2]
        let reference = theirs.sorted()[2]
        return Figure(
            name: "stream-1gib",
            value: value,
            unit: "s of CPU",
            reference: "openssl dgst -sha256",
            referenceValue: reference,
            goal: "at least 0.95 of its speed, peak memory under 32 MiB",
            met: reference / value >= 0.95 && peak < 32 * 1024,
            note: "peak memory \(peak) KiB; speed ratio \(Int(reference / value * 1000)) / 1000"
        )
    }

    /// What the child process does: the agent's own verifying sink, fed from a file.
    static func verify(_ path: String) throws {
        let file = try OpenFile(path)
        let target = TargetFile(
            path: "gibibyte",
            length: try file.length(),
            hashes: FileHashes(sha256: [UInt8](repeating: 0, count: 32))
        )
        var verifier = try TargetVerifier(target)
        var failure: (any Error)?
        try file.forEachPiece { piece in
            do { try verifier.update(piece) } catch { failure = error }
        }
        if let failure { throw failure }
        // The digest cannot be all zeros: reaching the mismatch shows that every byte was hashed.
        do { try verifier.finish() } catch { return }
        throw Failure.notHashed
    }

    private enum Failure: Error {
        case notHashed
    }

    private static func makeFile(_ path: String) throws {
        let file = try OpenFile(path, flags: O_WRONLY | O_CREAT | O_TRUNC)
        var piece = [UInt8](repeating: 0, count: 1 << 20)
        for index in 0..<Int(length >> 20) {
            for offset in stride(from: 0, to: piece.count, by: 512) {
                piece[offset] = UInt8(truncatingIfNeeded: index &* 31 &+ offset >> 9)
            }
            try file.write(piece)
        }
    }
}
