import ByteCoding
import CanonicalJSON
import MusterModel
import MusterPolicy

extension PolicyCompiler {
    /// A freeze as people write it: `from` and `until` in UTC, or with a `zone` as the clock on the wall shows them there.
    ///
    /// ```
    /// freezes:
    ///   - {name: year end, reason: the books are closed, from: "2026-12-18 17:00", until: "2027-01-04 07:00",
    ///      zone: Europe/Zurich, nodes: ["tag:erp"], except_security: true}
    /// ```
    mutating func freeze(_ value: JSONValue, _ path: String) -> JSONValue {
        guard case .object(var freeze) = value else { return value }
        if freeze["reason"] == nil { freeze["reason"] = "" }
        for member in ["name", "reason"] {
            freeze[member] = freeze[member].map { document.texts($0, "\(path).\(member)") }
        }
        guard case .string(let name)? = freeze["zone"] else { return .object(freeze) }
        freeze["zone"] = nil
        let offsets = offsets(of: name, path + ".zone")
        for (member, isFirst) in [("from", true), ("until", false)] {
            guard case .string(let text)? = freeze[member] else { continue }
            guard let wall = Self.wall(text) else {
                note("\(path).\(member)", "'\(text)' is not YYYY-MM-DD HH:MM, by the clock of \(name)")
                freeze[member] = JSONValue(UTCTime(seconds: isFirst ? 0 : 1))
                continue
            }
            freeze[member] = JSONValue(Self.moment(wall, offsets, isFirst: isFirst))
        }
        return .object(freeze)
    }

    /// What a clock shows, as the moment at which one in UTC shows it.
    private static func wall(_ text: String) -> UTCTime? {
        guard text.utf8.count == 16, text.utf8.dropFirst(10).first == UInt8(ascii: " ") else { return nil }
        return UTCTime("\(text.prefix(10))T\(text.suffix(5)):00Z")
    }

    /// The moment at which the zone's clock shows `wall`: of two, where it is set back, the first or the last; where it
    /// jumps over it, the jump.
    private static func moment(_ wall: UTCTime, _ offsets: [TimeWindow.Offset], isFirst: Bool) -> UTCTime {
        var moments: [UTCTime] = []
        for (index, offset) in offsets.enumerated() {
            let moment = wall.adding(seconds: -offset.minutes * 60)
            let next = index + 1 < offsets.count ? offsets[index + 1].from : nil
            let begins = index == 0 || moment >= offset.from
            if begins, next.map({ moment < $0 }) ?? true { moments.append(moment) }
            if let next, moment >= next, wall.adding(seconds: -offsets[index + 1].minutes * 60) < next {
                moments.append(next)
            }
        }
        return (isFirst ? moments.min() : moments.max()) ?? wall
    }
}
