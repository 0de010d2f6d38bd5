import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterClient
import MusterModel
import MusterSystem

/// What the fleet's nodes are called: by id, name in the fleet, tailnet name long and short, and address.
///
/// It is the service's word, kept for a while in `hosts.json` so that `ssh` to elsewhere costs nobody a question. The
/// certificate is for one node by its id, which `KnownNodes` holds against what the name meant before, and the host proves
/// its name by a certificate of its own.
struct HostBook: Sendable {
    /// How long what was read is asked instead of the service, in seconds.
    static let freshness: Int64 = 600
    static let byteLimit = 50_000_000

    /// A node as somebody reaches it.
    struct Host: Sendable, Hashable {
        let node: NodeID
        /// The name that its host certificate has.
        let name: String
        /// Where it is; nil where the service shows no IP address.
        let address: HostAddress?
        /// Everything that means it.
        let names: [String]
    }

    let hosts: [Host]
    let read: UTCTime

    /// The host that a name means; nil for none, a failure for more than one.
    func find(_ name: HostName) throws -> Host? {
        let matches = hosts.filter { $0.names.contains(name.text) }
        let exact = matches.filter { $0.name == name.text }
        if exact.count == 1 { return exact.first }
        guard matches.count <= 1 else {
            let ids = matches.map(\.node.text).joined(separator: ", ")
            throw CommandFailure.refused("'\(name.text)' means several nodes: give one of the ids \(ids)")
        }
        return matches.first
    }

    /// Reads the register, and keeps it.
    static func fetch(_ service: ServiceConnection, _ context: CommandContext) async throws -> HostBook {
        let nodes = try await service.reading { try await $0.nodes(session: $1) }
        let book = HostBook(hosts: nodes.map { Host($0) }, read: context.now())
        let document: JSONValue = [
            "service": .string(service.fleet.service), "fleet": JSONValue(service.fleet.fleet),
            "read": .integer(book.read.milliseconds), "hosts": .array(book.hosts.map(\.json)),
        ]
        try Directory.create(context.folder.ssh)
        try AtomicFile.write(document.jsonBytes, to: context.folder.hostsFile)
        return book
    }

    /// What was kept of this fleet and service; nil where nothing was.
    static func kept(_ context: CommandContext) -> HostBook? {
        guard let fleet = try? context.folder.fleet(),
            let bytes = try? BoundedFile.readIfPresent(context.folder.hostsFile, limit: byteLimit),
            let fields = try? JSONFields(JSONValue.parse(bytes, limit: byteLimit)),
            (try? fields.string("service")) == fleet.service, (try? fields.string("fleet")) == fleet.fleet.text,
            let read = try? fields.milliseconds("read"), read <= context.now(),
            let entries = try? fields.objects("hosts", limit: 1_000_000)
        else { return nil }
        return HostBook(hosts: entries.compactMap { try? Host($0) }, read: read)
    }

    /// Whether it is new enough to say that there is no such host.
    func isFresh(at time: UTCTime) -> Bool { time < read.adding(seconds: Self.freshness) }
}

extension HostBook.Host {
    init(_ record: NodeRecord) {
        let tailnet = HostName(record.tailnet?.name ?? "")?.text
        let short = tailnet.flatMap { $0.split(separator: ".").first.map(String.init) }
        // `db.` would pass for `db`.
        let called = HostName(record.name)?.text == record.name.lowercased() ? record.name.lowercased() : nil
        let addresses = ([record.address] + (record.tailnet?.addresses ?? [])).compactMap { HostAddress($0) }
        var names: [String] = []
        for name in [record.id.text, called, tailnet, short].compactMap(\.self) + addresses.map(\.text)
        where !name.isEmpty && !names.contains(name) { names.append(name) }
        self.init(
            node: record.id,
            name: tailnet ?? called ?? addresses.first?.text ?? record.id.text,
            address: addresses.first,
            names: names
        )
    }

    init(_ fields: JSONFields) throws(JSONError) {
        let name = try fields.string("name", limit: 256)
        guard HostName(name)?.text == name else { throw fields.error("name", "is no name of a host") }
        let text = try fields.string("address", limit: 64)
        let address = HostAddress(text)
        guard address != nil || text.isEmpty else { throw fields.error("address", "is no IP address") }
        self.init(
            node: try fields.name("node"),
            name: name,
            address: address,
            names: try fields.strings("names", limit: 64, each: 256).filter { HostName($0)?.text == $0 }
        )
    }

    var json: JSONValue {
        [
            "node": JSONValue(node), "name": .string(name), "address": .string(address?.text ?? ""),
            "names": .array(names.map { .string($0) }),
        ]
    }
}
