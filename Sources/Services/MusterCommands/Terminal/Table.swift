/// Rows in columns as wide as their widest entry, two spaces apart, the last column as long as it likes.
struct Table: Sendable {
    private let headings: [String]
    private var rows: [[StyledText]] = []

    init(_ headings: String...) {
        self.headings = headings
    }

    private init(_ headings: [String], _ rows: [[StyledText]]) {
        self.headings = headings
        self.rows = rows
    }

    var isEmpty: Bool { rows.isEmpty }

    /// The table without the columns in which no row has anything.
    var withoutEmptyColumns: Table {
        let kept = headings.indices.filter { column in rows.contains { $0[column].width > 0 } }
        return Table(kept.map { headings[$0] }, rows.map { row in kept.map { row[$0] } })
    }

    mutating func row(_ cells: StyledText...) {
        rows.append(cells)
    }

    mutating func row(_ cells: [StyledText]) {
        rows.append(cells)
    }

    /// The lines, headings first.
    var lines: [StyledText] {
        let all = [headings.map { StyledText($0, .faint) }] + rows
        var widths = [Int](repeating: 0, count: headings.count)
        for row in all {
            for (index, cell) in row.enumerated() where index < widths.count {
                widths[index] = max(widths[index], cell.width)
            }
        }
        return all.map { row in
            var line: StyledText = ""
            for (index, cell) in row.enumerated() {
                line = line + cell
                guard index < row.count - 1 else { break }
                line = line + StyledText(String(repeating: " ", count: widths[index] - cell.width + 2))
            }
            return line
        }
    }
}

extension Terminal {
    /// Prints a table.
    func table(_ table: Table) {
        for row in table.lines { line(row) }
    }
}
