import ByteCoding

/// The members that matter of tailscaled's documents.
///
/// whois says `StableID`, `Key`, `Name` and `Addresses` (with prefix lengths) where status says `ID`, `PublicKey`,
/// `DNSName` and `TailscaleIPs`. What is zero is left out: without `KeyExpiry` a key does not expire.
enum TailscaleDocuments {
    /// What status says.
    struct Status {
        var state = ""
        var own: TailnetIdentity?
        var peers: [TailnetIdentity] = []
    }

    /// The user that tagged nodes belong to: nobody.
    private static let taggedDevices = "tagged-devices"
    /// Most addresses, tags and users that are read.
    private static let limit = 256
    private static let textLimit = 512

    /// `{"Node": {…}, "UserProfile": {"LoginName": …}}`.
    static func whois(_ json: inout ForeignJSON) throws(ForeignJSONError) -> TailnetIdentity {
        var identity: TailnetIdentity?
        var login: String?
        try json.members(["Node", "UserProfile"]) { key, json throws(ForeignJSONError) in
            if key == "Node" {
                identity = try node(&json)
            } else {
                login = try loginName(&json)
            }
        }
        guard var identity else { throw ForeignJSONError(reason: "there is no Node") }
        if identity.tags.isEmpty, login != taggedDevices, login != "" { identity.login = login }
        return identity
    }

    private static func node(_ json: inout ForeignJSON) throws(ForeignJSONError) -> TailnetIdentity {
        var identity = TailnetIdentity(id: "")
        try json.members([
            "StableID", "Key", "Name", "Addresses", "Tags", "KeyExpiry", "Expired", "Online", "LastSeen",
        ]) { key, json throws(ForeignJSONError) in
            switch key {
            case "StableID": identity.id = try json.string(limit: 128)
            case "Key": identity.key = try json.string(limit: 256)
            case "Name": identity.name = name(try json.string(limit: textLimit))
            case "Addresses": identity.addresses = try addresses(&json)
            default: try shared(key, &json, &identity)
            }
        }
        return try checked(identity)
    }

    /// `{"BackendState", "Self": {…}, "Peer": {KEY: {…}}, "User": {ID: {…}}, "CurrentTailnet": {…}}`.
    static func status(_ json: inout ForeignJSON) throws(ForeignJSONError) -> Status {
        var status = Status()
        var logins: [String: String] = [:]
        var own: (identity: TailnetIdentity, user: String)?
        var peers: [(identity: TailnetIdentity, user: String)] = []
        var hasNames = true
        try json.members(["BackendState", "Self", "Peer", "User", "CurrentTailnet"]) {
            key,
            json throws(ForeignJSONError) in
            switch key {
            case "BackendState": status.state = try json.string(limit: 64)
            case "Self": own = try peer(&json)
            case "Peer":
                try json.eachMember { _, json throws(ForeignJSONError) in
                    let found = try peer(&json)
                    if isID(found.identity.id), !found.identity.key.isEmpty { peers.append(found) }
                }
            case "User":
                try json.eachMember { user, json throws(ForeignJSONError) in logins[user] = try loginName(&json) }
            default:
                try json.members(["MagicDNSEnabled"]) { _, json throws(ForeignJSONError) in
                    hasNames = try json.bool()
                }
            }
        }
        func finished(_ peer: (identity: TailnetIdentity, user: String)) -> TailnetIdentity {
            var identity = peer.identity
            let login = logins[peer.user]
            if identity.tags.isEmpty, login != taggedDevices, login != "" { identity.login = login }
            return identity
        }
        status.peers = peers.map(finished)
        status.own = own.map(finished)
        // Without MagicDNS nobody can be reached by that name.
        if !hasNames { status.own?.name = "" }
        return status
    }

    private static func peer(
        _ json: inout ForeignJSON
    ) throws(ForeignJSONError) -> (identity: TailnetIdentity, user: String) {
        var identity = TailnetIdentity(id: "")
        var user = ""
        try json.members([
            "ID", "PublicKey", "DNSName", "TailscaleIPs", "UserID", "LastHandshake", "Tags", "KeyExpiry", "Expired",
            "Online", "LastSeen",
        ]) { key, json throws(ForeignJSONError) in
            switch key {
            case "ID": identity.id = try json.string(limit: 128)
            case "PublicKey": identity.key = try json.string(limit: 256)
            case "DNSName": identity.name = name(try json.string(limit: textLimit))
            case "TailscaleIPs": identity.addresses = try addresses(&json)
            case "UserID": user = try json.number()
            case "LastHandshake": identity.lastHandshake = ForeignTime.parse(try json.string(limit: 64))
            default: try shared(key, &json, &identity)
            }
        }
        return (identity, user)
    }

    /// Members that both documents have.
    private static func shared(
        _ key: String,
        _ json: inout ForeignJSON,
        _ identity: inout TailnetIdentity
    ) throws(ForeignJSONError) {
        switch key {
        case "Tags": identity.tags = try json.strings(limit: limit, each: textLimit).map(plain)
        case "KeyExpiry": identity.keyExpires = ForeignTime.parse(try json.string(limit: 64))
        case "Expired": identity.keyExpired = try json.bool()
        case "Online": identity.isOnline = try json.bool()
        default: identity.lastSeen = ForeignTime.parse(try json.string(limit: 64))
        }
    }

    private static func loginName(_ json: inout ForeignJSON) throws(ForeignJSONError) -> String {
        var login = ""
        try json.members(["LoginName"]) { _, json throws(ForeignJSONError) in
            login = plain(try json.string(limit: textLimit))
        }
        return login
    }

    private static func addresses(_ json: inout ForeignJSON) throws(ForeignJSONError) -> [String] {
        try json.strings(limit: limit, each: 64).compactMap { IPPrefix($0) }.filter(\.isSingle).map(
            \.address.description
        )
    }

    private static func name(_ text: String) -> String {
        plain(text.hasSuffix(".") ? String(text.dropLast()) : text)
    }

    /// Names are shown at terminals, so nothing in them may steer one.
    private static func plain(_ text: String) -> String {
        var kept = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned: continue
            default: kept.append(scalar)
            }
        }
        return String(kept)
    }

    /// Whether it can be a StableID.
    ///
    /// Our own kinds of ids have a colon in them, and no id of another's making may pass for one of them.
    private static func isID(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != UInt8(ascii: ":") }
    }

    private static func checked(_ identity: TailnetIdentity) throws(ForeignJSONError) -> TailnetIdentity {
        guard isID(identity.id) else { throw ForeignJSONError(reason: "the node has no StableID that can be one") }
        guard !identity.key.isEmpty else { throw ForeignJSONError(reason: "the node has no Key") }
        return identity
    }
}
