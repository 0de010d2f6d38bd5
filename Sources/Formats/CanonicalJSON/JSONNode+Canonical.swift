extension JSONNode {
    /// The canonical bytes of the value: a copy of its text where that already is canonical, else written anew.
    public var canonicalBytes: [UInt8] {
        storage.bytes.withUnsafeBufferPointer { bytes in
            var text: [UInt8] = []
            text.reserveCapacity(Int(token.end - token.start))
            appendCanonical(index, of: bytes, to: &text)
            return text
        }
    }

    private func appendCanonical(_ index: Int, of bytes: UnsafeBufferPointer<UInt8>, to text: inout [UInt8]) {
        let token = storage.tokens[index]
        guard !token.isCanonical else {
            text.append(contentsOf: UnsafeBufferPointer(rebasing: bytes[Int(token.start)..<Int(token.end)]))
            return
        }
        switch token.kind {
        case .string:
            var writer = JSONWriter(style: .canonical)
            writer.write(.string(JSONText.string(token, in: bytes)))
            text.append(contentsOf: writer.bytes)
        case .array:
            text.append(UInt8(ascii: "["))
            var position = index + 1
            for element in 0..<token.count {
                if element > 0 { text.append(UInt8(ascii: ",")) }
                appendCanonical(position, of: bytes, to: &text)
                position = Int(storage.tokens[position].next)
            }
            text.append(UInt8(ascii: "]"))
        case .object:
            text.append(UInt8(ascii: "{"))
            for (member, position) in canonicalMembers(of: index, in: bytes).enumerated() {
                if member > 0 { text.append(UInt8(ascii: ",")) }
                appendCanonical(position, of: bytes, to: &text)
                text.append(UInt8(ascii: ":"))
                appendCanonical(position + 1, of: bytes, to: &text)
            }
            text.append(UInt8(ascii: "}"))
        case .null, .bool, .integer: break
        }
    }

    /// Positions of the keys of an object, in canonical order.
    private func canonicalMembers(of index: Int, in bytes: UnsafeBufferPointer<UInt8>) -> [Int] {
        let token = storage.tokens[index]
        var positions: [Int] = []
        positions.reserveCapacity(Int(token.count))
        var position = index + 1
        for _ in 0..<token.count {
            positions.append(position)
            position = Int(storage.tokens[position + 1].next)
        }
        guard token.needsWork else { return positions }
        return positions.sorted {
            JSONText.compare(storage.tokens[$0], storage.tokens[$1], in: bytes) < 0
        }
    }

    /// The keys and values of an object in canonical order.
    public var sortedMembers: [(key: JSONNode, value: JSONNode)] {
        guard token.kind == .object else { return [] }
        let positions = storage.bytes.withUnsafeBufferPointer { canonicalMembers(of: index, in: $0) }
        return positions.map {
            (JSONNode(storage: storage, index: $0), JSONNode(storage: storage, index: $0 + 1))
        }
    }
}
