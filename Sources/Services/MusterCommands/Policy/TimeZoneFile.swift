import ByteCoding
import MusterModel
import MusterSystem

/// A time zone of the system's database, as far as a policy needs it: what its clocks show between two moments.
///
/// The file is TZif, RFC 9636: the changes that are known, and a rule (`ClockRule`) for all that come after the last one.
struct TimeZoneFile: Sendable {
    /// Where Linux keeps the database.
    static let folder = "/usr/share/zoneinfo"

    /// Why there is no such zone.
    struct Fault: Error, CustomStringConvertible {
        let description: String
    }

    private struct Change {
        let second: Int64
        let ahead: Int64
    }

    private let changes: [Change]
    private let first: Int64
    private let rule: ClockRule?

    /// The zone of this name, such as `Europe/Berlin`.
    init(name: String) throws(Fault) {
        guard Self.isName(name) else { throw Fault(description: "'\(name)' is no time zone, such as Europe/Berlin") }
        if name == "UTC" {
            self.init(ahead: 0)
            return
        }
        let bytes: [UInt8]
        do {
            guard let found = try BoundedFile.readIfPresent("\(Self.folder)/\(name)", limit: 1_000_000) else {
                throw Fault(description: "there is no time zone '\(name)' in \(Self.folder)")
            }
            bytes = found
        } catch let fault as Fault {
            throw fault
        } catch {
            throw Fault(description: "cannot read the time zone '\(name)': \(error)")
        }
        do throws(Fault) {
            try self.init(parsing: bytes)
        } catch {
            throw Fault(description: "\(Self.folder)/\(name): \(error)")
        }
    }

    /// Reads the second, 64-bit part of a file of version 2 or later.
    init(parsing bytes: [UInt8]) throws(Fault) {
        var reader = ByteReader(bytes)
        do {
            let old = try Header(&reader)
            _ = try reader.bytes(old.length(ofTime: 4))
            let header = try Header(&reader)
            var seconds: [Int64] = []
            for _ in 0..<header.times { seconds.append(Int64(bitPattern: try reader.uint64())) }
            let kinds = try reader.bytes(header.times)
            var ahead: [Int64] = []
            for _ in 0..<header.kinds {
                ahead.append(Int64(Int32(bitPattern: try reader.uint32())))
                _ = try reader.bytes(2)
            }
            _ = try reader.bytes(header.length(ofTime: 8) - header.times * 9 - header.kinds * 6)
            let footer = try reader.bytes(reader.remaining)
            guard footer.first == 0x0A, footer.last == 0x0A, footer.count >= 2, let first = ahead.first,
                kinds.allSatisfy({ Int($0) < ahead.count }), zip(seconds, seconds.dropFirst()).allSatisfy({ $0 < $1 })
            else { throw Fault(description: "is damaged") }
            self.first = first
            changes = zip(seconds, kinds).map { Change(second: $0, ahead: ahead[Int($1)]) }
            let text = String(decoding: footer.dropFirst().dropLast(), as: UTF8.self)
            rule = text.isEmpty ? nil : ClockRule(text)
            guard text.isEmpty || rule != nil else { throw Fault(description: "its rule '\(text)' is not understood") }
        } catch let fault as Fault {
            throw fault
        } catch {
            throw Fault(description: "is not a time zone file")
        }
    }

    private init(ahead: Int64) {
        changes = []
        first = ahead
        rule = nil
    }

    /// What the zone's clocks show from `start` on, with every change before `end`.
    func offsets(from start: UTCTime, to end: UTCTime) throws(Fault) -> [TimeWindow.Offset] {
        var offsets = [try offset(start, ahead(at: start.seconds))]
        var moments = changes.map(\.second)
        let known = moments.last ?? .min
        moments += (rule?.changes(from: start, to: end) ?? []).filter { $0 > known }
        for second in moments where second > start.seconds && second < end.seconds {
            let next = try offset(UTCTime(seconds: second), ahead(at: second))
            if next.minutes != offsets.last?.minutes { offsets.append(next) }
        }
        return offsets
    }

    private func offset(_ time: UTCTime, _ seconds: Int64) throws(Fault) -> TimeWindow.Offset {
        guard seconds % 60 == 0 else {
            throw Fault(description: "its clocks were \(seconds) s from UTC at \(time), which is no whole minute")
        }
        return TimeWindow.Offset(from: time, minutes: seconds / 60)
    }

    /// How far ahead of UTC the clocks are, in seconds.
    private func ahead(at second: Int64) -> Int64 {
        if let rule, second >= changes.last?.second ?? .min { return rule.ahead(at: second) }
        return changes.last { $0.second <= second }?.ahead ?? first
    }

    private static func isName(_ name: String) -> Bool {
        guard (1...64).contains(name.utf8.count) else { return false }
        return name.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { part in
            !part.isEmpty
                && part.utf8.allSatisfy { byte in
                    switch byte {
                    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "+"):
                        true
                    default: false
                    }
                }
        }
    }

    private struct Header {
        let times: Int
        let kinds: Int
        private let others: Int
        private let leaps: Int

        init(_ reader: inout ByteReader) throws {
            guard try reader.bytes(4).elementsEqual("TZif".utf8), try reader.bytes(1)[0] >= UInt8(ascii: "2") else {
                throw Fault(description: "is not a time zone file of version 2")
            }
            _ = try reader.bytes(15)
            var counts: [Int] = []
            for _ in 0..<6 { counts.append(Int(try reader.uint32())) }
            guard counts.allSatisfy({ $0 <= 100_000 }) else { throw Fault(description: "is damaged") }
            times = counts[3]
            kinds = counts[4]
            leaps = counts[2]
            others = counts[0] + counts[1] + counts[5]
        }

        func length(ofTime width: Int) -> Int { times * (width + 1) + kinds * 6 + others + leaps * (width + 4) }
    }
}
