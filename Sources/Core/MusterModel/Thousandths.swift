/// Values that are measured and compared as whole thousandths, since signed and stored documents know no fractions.
public enum Thousandths {
    /// The value as people write it: 1500 is `1.5`, 2000 is `2`.
    public static func text(_ value: Int64) -> String {
        let (whole, rest) = (value.magnitude / 1000, value.magnitude % 1000)
        let digits = String(repeating: "0", count: 3 - String(rest).count) + String(rest)
        return (value < 0 ? "-" : "") + (rest == 0 ? "\(whole)" : "\(whole).\(digits)")
    }
}
