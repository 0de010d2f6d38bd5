extension String {
    /// The text with `?` for everything that would steer a terminal or end a line: what others say is shown in one piece.
    public var harmless: String {
        guard unicodeScalars.contains(where: \.isSteering) else { return self }
        return String(UnicodeScalarView(unicodeScalars.map { $0.isSteering ? "?" : $0 }))
    }
}

extension Unicode.Scalar {
    /// Whether it does something to a text rather than being part of it: controls (C0, C1), ends of lines, and marks such as
    /// those that turn the direction of writing.
    public var isSteering: Bool {
        guard value < 0x20 || value > 0x7E else { return false }
        return switch properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: true
        default: false
        }
    }
}
