import CanonicalJSON
import MusterAPI
import MusterModel
import MusterPolicy
import TUF

/// What an agent makes of the answer to one of its requests.
public struct AgentReader: Sendable {
    /// What the agent gets out of an answer's bytes; equal where the same was read.
    public let read: @Sendable ([UInt8]) throws -> AnyHashable
    /// Whether the answer, or a part of it, was signed: nothing in there may be added or left out by others.
    public let isSigned: Bool

    /// The reader of the answer to a request; nil where the answer is bytes to be hashed and no document.
    public init?(_ method: String, _ path: String, status: Int) {
        let words = path.split(separator: "/").map(String.init)
        if status >= 400 {
            self.init(Problem.self)
            return
        }
        switch (words.first, words.dropFirst().first, words.last) {
        case ("v1", "enroll", "statement"):
            self.init(isSigned: true) { AnyHashable(try SignedStatement(Self.fields($0))) }
        case ("v1", "enroll", _): self.init(EnrollReply.self, isSigned: true)
        case ("v1", "service", _): self.init(ServiceDescription.self)
        case ("v1", "node", "challenge"): self.init(ChallengeReply.self)
        case ("v1", "node", "session"): self.init(SessionReply.self)
        case ("v1", "node", "report"): self.init(ReportReply.self)
        case ("v1", "node", "key"): self.init(NodeKeyReply.self)
        case ("v1", "node", "host-certificate"): self.init(HostCertificateReply.self)
        case ("v1", "node", "manifest"): self.init(isSigned: true, Self.manifest)
        case ("v1", "node", _) where words.count == 4 && words[2] == "runs": self.init(RunUpdateReply.self)
        case ("tuf", "metadata", let file?): self.init(isSigned: true) { try Self.metadata($0, file) }
        case ("tuf", "targets", let file?) where file.hasSuffix(".fleet.json"):
            self.init(isSigned: true) { AnyHashable(try FleetPolicy(parsing: $0)) }
        case ("tuf", "targets", let file?) where file.hasSuffix(".trust.json"):
            self.init(isSigned: true) { AnyHashable(try SSHTrust(parsing: $0)) }
        default: return nil
        }
    }

    private init(isSigned: Bool, _ read: @escaping @Sendable ([UInt8]) throws -> AnyHashable) {
        self.read = read
        self.isSigned = isSigned
    }

    private init<Reply: Body>(_ type: Reply.Type, isSigned: Bool = false) {
        self.init(isSigned: isSigned) { AnyHashable(try Reply.parse($0)) }
    }

    private static func fields(_ bytes: [UInt8]) throws -> JSONFields {
        try JSONFields(try JSONValue.parse(bytes, limit: 10_000_000))
    }

    @Sendable private static func manifest(_ bytes: [UInt8]) throws -> AnyHashable {
        let envelope = try SignedEnvelope(parsing: bytes, limit: UpdateManifest.byteLimit)
        let manifest = try UpdateManifest(try JSONFields(envelope.signed))
        return AnyHashable([AnyHashable(manifest), AnyHashable(envelope.signatures.map(\.keyID))])
    }

    /// Every member of TUF metadata counts, since any TUF client may read it.
    private static func metadata(_ bytes: [UInt8], _ file: String) throws -> AnyHashable {
        let envelope = try SignedEnvelope(parsing: bytes, limit: 5_000_000)
        let role = file.split(separator: ".").dropLast().last ?? ""
        switch role {
        case "root": _ = try Root(envelope)
        case "timestamp": _ = try Timestamp(envelope)
        case "snapshot": _ = try Snapshot(envelope)
        default: _ = try Targets(envelope)
        }
        return AnyHashable(try JSONValue.parse(bytes, limit: 5_000_000))
    }
}

extension AgentReader {
    /// The members of an answer that the reader makes something of: without one of them it fails, or reads another thing.
    public func members(of answer: JSONValue) throws -> [JSONPlace: String] {
        let whole = try read(answer.jsonBytes)
        var found: [JSONPlace: String] = [:]
        for place in Self.places(in: answer) {
            let rest = try? read(place.removing(from: answer).jsonBytes)
            guard rest != whole, let value = place.values(in: answer).first else { continue }
            found[place] = value.kind
        }
        return found
    }

    /// The places of all members, those of an array's elements and of objects by digest told together.
    private static func places(in value: JSONValue, at steps: [String] = []) -> Set<JSONPlace> {
        var places: Set<JSONPlace> = []
        switch value {
        case .object(let object):
            for member in object.members {
                let isDigest = member.key.utf8.count == 64 && member.key.allSatisfy(\.isHexDigit)
                let inner = steps + [isDigest ? "*" : member.key]
                places.insert(JSONPlace(inner))
                places.formUnion(Self.places(in: member.value, at: inner))
            }
        case .array(let elements):
            for element in elements { places.formUnion(Self.places(in: element, at: steps + ["*"])) }
        default: break
        }
        return places
    }

    /// What an answer lacks of the members that were read, in words.
    public static func missing(_ reads: [JSONPlace: String], in answer: JSONValue) -> [String] {
        reads.compactMap { place, kind in
            let values = place.values(in: answer)
            guard let value = values.first else { return "\(place) (\(kind)) is gone" }
            return values.allSatisfy { $0.kind == kind } ? nil : "\(place) was \(kind) and is \(value.kind)"
        }.sorted()
    }
}
