import ByteCoding

/// What will happen when, in order of time; what happens at one moment, in the order in which it was added.
struct Agenda<Happening> {
    private var heap: [(time: UTCTime, number: Int, happening: Happening)] = []
    private var added = 0

    var next: UTCTime? { heap.first?.time }

    mutating func add(_ happening: Happening, at time: UTCTime) {
        heap.append((time, added, happening))
        added += 1
        var child = heap.count - 1
        while child > 0, precedes(child, (child - 1) / 2) {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    mutating func removeFirst() -> (time: UTCTime, happening: Happening)? {
        guard let first = heap.first, let last = heap.popLast() else { return nil }
        guard !heap.isEmpty else { return (first.time, first.happening) }
        heap[0] = last
        var parent = 0
        while true {
            var smallest = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && precedes(child, smallest) {
                smallest = child
            }
            guard smallest != parent else { return (first.time, first.happening) }
            heap.swapAt(parent, smallest)
            parent = smallest
        }
    }

    private func precedes(_ left: Int, _ right: Int) -> Bool {
        (heap[left].time, heap[left].number) < (heap[right].time, heap[right].number)
    }
}
