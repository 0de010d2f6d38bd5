/// The lines that two texts do not share, with their surroundings, for a signer to read.
enum TextDifference {
    /// Lines of both texts: `-` only before, `+` only after, unchanged ones near a change.
    ///
    /// Lines are compared by their bytes, as those who obey the text read it; what is beyond ASCII is written out.
    static func lines(from before: String, to after: String, context: Int = 2) -> [StyledText] {
        let (old, new) = (lines(of: before), lines(of: after))
        let difference = new.difference(from: old)
        var removed: Set<Int> = []
        var inserted: Set<Int> = []
        for change in difference {
            switch change {
            case .remove(let offset, element: _, associatedWith: _): removed.insert(offset)
            case .insert(let offset, element: _, associatedWith: _): inserted.insert(offset)
            }
        }
        return near(merge(old, new, removed, inserted), context)
    }

    private static func lines(of text: String) -> [ExactText] {
        text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map { line in
            ExactText(String(decoding: line, as: UTF8.self))
        }
    }

    private enum Entry {
        case same(ExactText)
        case removed(ExactText)
        case added(ExactText)
    }

    private static func merge(
        _ old: [ExactText],
        _ new: [ExactText],
        _ removed: Set<Int>,
        _ inserted: Set<Int>
    ) -> [Entry] {
        var entries: [Entry] = []
        var left = 0
        var right = 0
        while left < old.count || right < new.count {
            if left < old.count, removed.contains(left) {
                entries.append(.removed(old[left]))
                left += 1
            } else if right < new.count, inserted.contains(right) {
                entries.append(.added(new[right]))
                right += 1
            } else {
                if left < old.count { entries.append(.same(old[left])) }
                left += 1
                right += 1
            }
        }
        return entries
    }

    private static func near(_ entries: [Entry], _ context: Int) -> [StyledText] {
        var shown: Set<Int> = []
        for (index, entry) in entries.enumerated() {
            if case .same = entry { continue }
            for near in max(0, index - context)...min(entries.count - 1, index + context) { shown.insert(near) }
        }
        var lines: [StyledText] = []
        var last = -1
        for index in shown.sorted() {
            if last >= 0, index > last + 1 { lines.append(StyledText("  …", .faint)) }
            switch entries[index] {
            case .same(let text): lines.append(StyledText("  " + text.shown, .faint))
            case .removed(let text): lines.append(StyledText("- " + text.shown, .loud))
            case .added(let text): lines.append(StyledText("+ " + text.shown, .good))
            }
            last = index
        }
        return lines
    }
}
