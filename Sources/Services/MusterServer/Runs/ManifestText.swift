import CanonicalJSON
import MusterModel
import TUF

/// A manifest with runs as it is signed and as it is sent, put together from statements that were written out once for all
/// the nodes they name: a statement that names a thousand is long, and so many manifests have it.
struct ManifestText: Sendable {
    /// The manifest without its runs.
    let manifest: UpdateManifest
    /// Its runs.
    let runs: [RunWork.Item]

    /// The bytes that are signed: the canonical form of the whole manifest.
    var signed: [UInt8] { text({ $0.canonicalBytes }, \.canonical) }

    /// The envelope with this signature.
    func envelope(_ signature: TUFSignature) -> [UInt8] {
        let signatures = JSONValue.array([signature.json]).jsonBytes
        return Array("{\"signatures\":".utf8) + signatures + Array(",\"signed\":".utf8)
            + text({ $0.jsonBytes }, \.compact) + Array("}".utf8)
    }

    private func text(_ write: (JSONValue) -> [UInt8], _ statement: (RunWork.Item) -> [UInt8]) -> [UInt8] {
        guard case .object(let object) = manifest.json else { return [] }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(runs.reduce(4096) { $0 + $1.length })
        for member in object.members {
            bytes.append(UInt8(ascii: bytes.isEmpty ? "{" : ","))
            bytes += write(.string(member.key))
            bytes.append(UInt8(ascii: ":"))
            guard member.key == "runs" else {
                bytes += write(member.value)
                continue
            }
            bytes.append(UInt8(ascii: "["))
            for (index, run) in runs.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                bytes += "{\"run\":\"\(run.run)\",\"statement\":".utf8
                bytes += statement(run)
                bytes.append(UInt8(ascii: "}"))
            }
            bytes.append(UInt8(ascii: "]"))
        }
        bytes.append(UInt8(ascii: "}"))
        return bytes
    }
}
