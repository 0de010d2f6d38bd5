extension StringProtocol {
    /// What stands before the first byte `sign`, an ASCII one, and what stands after it; nil where there is none.
    ///
    /// By bytes: a combining mark, a joiner or a variation selector after the sign makes another Character of it, which a
    /// search for a Character passes over. Whoever chooses what follows the sign would choose where the text is cut.
    public func split(atFirst sign: UInt8) -> (before: String, after: String)? {
        guard sign < 0x80, let index = utf8.firstIndex(of: sign) else { return nil }
        return (String(self[..<index]), String(self[utf8.index(after: index)...]))
    }
}
