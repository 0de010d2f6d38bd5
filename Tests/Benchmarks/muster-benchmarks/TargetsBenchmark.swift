import ByteCoding
import CanonicalJSON
import Glibc
import MusterTestSupport
import SignatureVerification
import TUF
import TUFTrust

/// Loads and verifies targets metadata of 10,000 entries: parse, canonical bytes, signature, typed records.
enum TargetsBenchmark {
    static func figure(in folder: String) throws -> Figure {
        let key = TestKey("release")
        let bytes = try metadata(signedBy: key)
        let roleKeys = [key.tuf.id: key.tuf]
        var times: [Double] = []
        for _ in 0..<15 {
            let start = Child.ownCPU
            let envelope = try SignedEnvelope(parsing: bytes, limit: 5_000_000)
            try TUFSignatureThreshold.verify(envelope, keys: roleKeys, threshold: 1, what: "targets")
            let targets = try Targets(envelope)
            guard targets.count == 10_000, targets.file("releases/package-1234_1.0_amd64.deb") != nil else {
                throw Failure.incomplete
            }
            times.append((Child.ownCPU - start) * 1000)
        }
        let value = times.sorted()[times.count / 2]
        let reference = try python(bytes, folder)
        return Figure(
            name: "targets-10000",
            value: value,
            unit: "ms of CPU",
            reference: "python3 json.loads of the same file",
            referenceValue: reference,
            goal: "at most 25 ms of CPU",
            met: value <= 25
        )
    }

    private enum Failure: Error {
        case incomplete
    }

    private static func metadata(signedBy key: TestKey) throws -> [UInt8] {
        guard let expires = UTCTime("2100-01-01T00:00:00Z") else { throw Failure.incomplete }
        let files = (0..<10_000).map { index in
            TargetFile(
                path: "releases/package-\(index)_1.0_amd64.deb",
                content: Array("content \(index)".utf8),
                custom: ["muster": ["package": .string("package-\(index)"), "counter": .integer(Int64(index + 1))]]
            )
        }
        let signed = try Targets(version: 1, expires: expires, targets: files).json
        let unsigned = try SignedEnvelope(signed: signed)
        return try unsigned.adding(key.sign(unsigned)).bytes
    }

    private static func python(_ bytes: [UInt8], _ folder: String) throws -> Double? {
        let path = folder + "/targets.json"
        let file = fopen(path, "w")
        fwrite(bytes, 1, bytes.count, file)
        fclose(file)
        let script = """
            import json, statistics, time
            data, times = open('\(path)', 'rb').read(), []
            for _ in range(15):
                start = time.process_time(); json.loads(data); times.append(time.process_time() - start)
            print(statistics.median(times) * 1000)
            """
        let output = folder + "/python.txt"
        guard (try? Child.run(["python3", "-c", script], output: output)) != nil else { return nil }
        return Double(try Child.read(output).split(separator: "\n").first ?? "")
    }
}
