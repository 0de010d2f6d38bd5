/// Many names in few words: `db1, web-[1-3,7]`.
enum NodeNames {
    /// Most characters of the list; further names are counted.
    private static let limit = 400

    private struct Shape: Hashable {
        let before: String
        let after: String
        /// Digits of the number where it begins with a zero, else 0.
        let width: Int
    }

    /// The names, those that differ in one number alone together, in order.
    static func folded(_ names: [String]) -> String {
        var shapes: [Shape] = []
        var numbers: [Shape: [Int]] = [:]
        for name in names.sorted(by: precedes) {
            let (shape, number) = parts(name)
            if numbers[shape] == nil { shapes.append(shape) }
            numbers[shape, default: []].append(number)
        }
        var text = ""
        var shown = 0
        for shape in shapes {
            let values = Set(numbers[shape] ?? []).sorted()
            let next = written(shape, values)
            if shown > 0, text.count + next.count > limit {
                return text + " and \(names.count - shown) more"
            }
            text += (shown > 0 ? ", " : "") + next
            shown += numbers[shape]?.count ?? 0
        }
        return text
    }

    /// `web-1`, or `web-[1-3,7]`.
    private static func written(_ shape: Shape, _ values: [Int]) -> String {
        guard shape.width >= 0 else { return shape.before }
        guard values.count > 1 else { return shape.before + number(values.first ?? 0, shape) + shape.after }
        var ranges: [(Int, Int)] = []
        for value in values {
            if let last = ranges.last, last.1 + 1 == value {
                ranges[ranges.count - 1].1 = value
            } else {
                ranges.append((value, value))
            }
        }
        let inner = ranges.map { range in
            range.0 == range.1 ? number(range.0, shape) : number(range.0, shape) + "-" + number(range.1, shape)
        }
        return "\(shape.before)[\(inner.joined(separator: ","))]\(shape.after)"
    }

    private static func number(_ value: Int, _ shape: Shape) -> String {
        let digits = "\(value)"
        return String(repeating: "0", count: max(0, shape.width - digits.count)) + digits
    }

    /// The last number of the name's first label, what is before it and what is after it; width -1 where there is none.
    private static func parts(_ name: String) -> (Shape, Int) {
        let bytes = Array(name.utf8)
        let label = bytes.firstIndex(of: UInt8(ascii: ".")) ?? bytes.count
        func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
        guard let last = bytes[..<label].lastIndex(where: isDigit) else {
            return (Shape(before: name, after: "", width: -1), 0)
        }
        let first = (bytes[..<last].lastIndex { !isDigit($0) } ?? -1) + 1
        let digits = String(decoding: bytes[first...last], as: UTF8.self)
        guard let number = Int(digits) else { return (Shape(before: name, after: "", width: -1), 0) }
        let shape = Shape(
            before: String(decoding: bytes[..<first], as: UTF8.self),
            after: String(decoding: bytes[(last + 1)...], as: UTF8.self),
            width: digits.hasPrefix("0") && digits.count > 1 ? digits.count : 0
        )
        return (shape, number)
    }

    private static func precedes(_ left: String, _ right: String) -> Bool {
        let (one, other) = (parts(left), parts(right))
        if one.0.before != other.0.before {
            return one.0.before.utf8.lexicographicallyPrecedes(other.0.before.utf8)
        }
        return one.1 == other.1 ? left.utf8.lexicographicallyPrecedes(right.utf8) : one.1 < other.1
    }
}
