/// The name that was probably meant.
enum NearName {
    /// ` (did you mean 'who'?)` where one of the names is near, else nothing.
    static func hint(_ name: String, among names: some Sequence<String>) -> String {
        nearest(name, among: names).map { " (did you mean '\($0)'?)" } ?? ""
    }

    /// The nearest of the names, at most a third of its letters away.
    static func nearest(_ name: String, among names: some Sequence<String>) -> String? {
        let wanted = Array(name.utf8.prefix(64))
        let near = names.map { ($0, distance(wanted, Array($0.utf8.prefix(64)))) }
            .filter { $0.1 <= max(1, max(wanted.count, $0.0.utf8.count) / 3) }
        return near.min { ($0.1, $0.0) < ($1.1, $1.0) }?.0
    }

    /// How many letters must be put in, taken out or changed.
    private static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var row = Array(0...right.count)
        for (index, letter) in left.enumerated() {
            var diagonal = row[0]
            row[0] = index + 1
            for (column, other) in right.enumerated() {
                let cost = diagonal + (letter == other ? 0 : 1)
                diagonal = row[column + 1]
                row[column + 1] = min(cost, row[column] + 1, diagonal + 1)
            }
        }
        return row[right.count]
    }
}
