import CanonicalJSON

/// One measured figure, printed as one line of JSON.
///
/// A figure is a ratio to its reference, both measured in this call; `goal` bounds `ratio` where there is a reference and
/// `value` where there is none.
struct Figure {
    /// Its name, which `packaging/bench NAME` selects.
    let name: String
    /// What was measured.
    let value: Double?
    /// The unit of `value` and `referenceValue`.
    let unit: String
    /// What it is compared with; empty for an absolute figure.
    var reference = ""
    /// The reference, measured in the same call.
    var referenceValue: Double?
    /// The goal, in words.
    let goal: String
    /// Whether the goal was met; nil where it could not be measured, and `note` says why.
    let met: Bool?
    /// Anything a reader must know.
    var note = ""

    /// `value` divided by `referenceValue`.
    var ratio: Double? {
        guard let value, let referenceValue, referenceValue != 0 else { return nil }
        return value / referenceValue
    }

    /// Prints the line; numbers have three decimals.
    func printLine() {
        func text(_ string: String) -> String { String(decoding: JSONValue.string(string).jsonBytes, as: UTF8.self) }
        func number(_ value: Double?) -> String {
            guard let value else { return "null" }
            let thousandths = Int64((value.magnitude * 1000).rounded())
            let fraction = String(thousandths % 1000)
            let digits = String(repeating: "0", count: 3 - fraction.count) + fraction
            return (value < 0 ? "-" : "") + "\(thousandths / 1000).\(digits)"
        }
        let members = [
            ("name", text(name)), ("value", number(value)), ("unit", text(unit)),
            ("reference", reference.isEmpty ? "null" : text(reference)), ("reference_value", number(referenceValue)),
            ("ratio", number(ratio)), ("goal", text(goal)), ("met", met.map(String.init) ?? "null"),
        ]
        let noted = note.isEmpty ? members : members + [("note", text(note))]
        print("{" + noted.map { "\"\($0.0)\": \($0.1)" }.joined(separator: ", ") + "}")
    }
}
