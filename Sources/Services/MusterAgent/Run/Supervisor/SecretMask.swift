/// Puts `••••` in the place of secrets in a stream, also where one comes in several pieces.
///
/// What could be the beginning of a secret is held back until it is clear. The earliest secret is masked, of several that
/// begin at one place the longest. Secrets below four bytes are not looked for: they would be found everywhere.
struct SecretMask {
    /// Least bytes of a secret that is looked for.
    static let least = 4
    /// What is written instead.
    static let mask = Array("••••".utf8)

    private let secrets: [[UInt8]]
    private var begins = [Bool](repeating: false, count: 256)
    private var held: [UInt8] = []

    init(_ secrets: [[UInt8]]) {
        self.secrets = Set(secrets).filter { $0.count >= Self.least }.sorted { $0.count > $1.count }
        for secret in self.secrets { begins[Int(secret[0])] = true }
    }

    /// The next piece, masked; some of it may be held back.
    mutating func take(_ piece: ArraySlice<UInt8>) -> [UInt8] {
        if secrets.isEmpty { return Array(piece) }
        held += piece
        return masked(isLast: false)
    }

    /// What was held back, at the end of the stream.
    mutating func finish() -> [UInt8] {
        masked(isLast: true)
    }

    private mutating func masked(isLast: Bool) -> [UInt8] {
        var clean: [UInt8] = []
        clean.reserveCapacity(held.count)
        let rest = held.withUnsafeBufferPointer { bytes in
            var index = 0
            while index < bytes.count {
                guard begins[Int(bytes[index])] else {
                    clean.append(bytes[index])
                    index += 1
                    continue
                }
                switch match(bytes, index, isLast) {
                case .whole(let count):
                    clean += Self.mask
                    index += count
                case .maybe: return index
                case .none:
                    clean.append(bytes[index])
                    index += 1
                }
            }
            return index
        }
        held.removeFirst(rest)
        return clean
    }

    private enum Match {
        case whole(Int)
        case maybe
        case none
    }

    /// What begins at `index`.
    ///
    /// A longer secret that may still come holds back a shorter one that is there.
    private func match(_ bytes: UnsafeBufferPointer<UInt8>, _ index: Int, _ isLast: Bool) -> Match {
        let left = bytes.count - index
        for secret in secrets {
            var common = 0
            while common < min(left, secret.count), bytes[index + common] == secret[common] { common += 1 }
            if common == secret.count { return .whole(common) }
            if common == left, !isLast { return .maybe }
        }
        return .none
    }
}
