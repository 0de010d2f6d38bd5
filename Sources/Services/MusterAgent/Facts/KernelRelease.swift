/// A kernel's release, `6.1.0-26-cloud-amd64`: numbers that grow, and the words that say which kind of kernel it is.
struct KernelRelease: Hashable, Sendable {
    /// As it was written.
    let text: String
    /// The numbers before the first word.
    let numbers: [Int]
    /// The words, without those that name a distribution's version.
    let flavour: [Substring]

    /// A release; nil where it does not begin with a number.
    init?(_ text: String) {
        let parts = text.split { "-.+_~".contains($0) }
        let numbers = parts.prefix { Int($0) != nil }.compactMap { Int($0) }
        guard !numbers.isEmpty else { return nil }
        self.text = text
        self.numbers = numbers
        flavour = parts.dropFirst(numbers.count).filter { $0.first?.isLetter == true && !Self.isDistribution($0) }
    }

    /// Whether it is of the same kind as `other` and newer.
    func isUpdate(of other: KernelRelease) -> Bool {
        flavour == other.flavour && other.numbers.lexicographicallyPrecedes(numbers)
    }

    /// `fc39`, `el9`: changes with every version of the distribution.
    private static func isDistribution(_ word: Substring) -> Bool {
        ["fc", "el", "amzn"].contains { word.hasPrefix($0) && word.dropFirst($0.count).allSatisfy(\.isNumber) }
    }
}
