/// Comparison whose duration says nothing about where secrets differ.
public enum ConstantTime {
    /// Whether both byte strings are the same; takes the same time for any two of one length.
    public static func equal(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        guard left.count == right.count else { return false }
        var difference: UInt8 = 0
        for index in left.indices { difference |= left[index] ^ right[index] }
        return difference == 0
    }
}
