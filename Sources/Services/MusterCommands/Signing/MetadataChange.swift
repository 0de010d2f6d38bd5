import ByteCoding
import CanonicalJSON
import MusterModel
import TUF

/// What new metadata says that the trusted one does not: what a signer is about to put a name to.
struct MetadataChange: Sendable {
    let role: String
    /// The trusted version; nil where none was ever fetched.
    let from: Int64?
    let to: Int64
    let expires: UTCTime
    let added: [TargetFile]
    let changed: [(before: TargetFile, after: TargetFile)]
    let removed: [TargetFile]
    let kept: Int

    init(role: String, from current: Targets?, to next: Targets) {
        self.role = role
        from = current?.version
        to = next.version
        expires = next.expires
        // By the bytes of paths: to String, paths of two files may be the same text of Unicode.
        let before = Dictionary((current?.files ?? []).map { (ExactText($0.path), $0) }) { first, _ in first }
        var added: [TargetFile] = []
        var changed: [(before: TargetFile, after: TargetFile)] = []
        var kept = 0
        for file in next.files {
            switch before[ExactText(file.path)] {
            case nil: added.append(file)
            case let old? where old == file: kept += 1
            case let old?: changed.append((old, file))
            }
        }
        self.added = added
        self.changed = changed
        self.kept = kept
        let after = Set(next.files.map { ExactText($0.path) })
        removed = (current?.files ?? []).filter { !after.contains(ExactText($0.path)) }
    }

    /// Refuses what must not happen unnoticed: a version that is not the next, or files that are lost or altered.
    func check(allowLoss: Bool) throws {
        if let from {
            guard to > from else {
                throw CommandFailure.refused("\(role) version \(to) is not above the trusted version \(from)")
            }
        }
        // A policy is replaced as a whole; a release that was signed once stays what it is.
        guard role != "policy", !allowLoss else { return }
        if let lost = removed.first {
            throw CommandFailure.refused(
                "it would lose \(VisibleText.ascii(lost.path)) and \(removed.count - 1) more: "
                    + "give --allow-loss if that is meant"
            )
        }
        if let altered = changed.first {
            throw CommandFailure.refused(
                "it would alter \(VisibleText.ascii(altered.before.path)), which is signed already: "
                    + "give --allow-loss if that is meant"
            )
        }
    }

    /// The change for people to read before they sign.
    var lines: [StyledText] {
        let step = from.map { "version \($0) -> \(to)" } ?? "version \(to) (none was trusted here before)"
        var lines: [StyledText] = [StyledText("\(role): \(step), expires \(expires)", .bold)]
        for file in added { lines += describe("+", file, .good) }
        for (before, after) in changed { lines += describe("-", before, .loud) + describe("+", after, .warning) }
        for file in removed { lines += describe("-", file, .loud) }
        lines.append(StyledText("  \(kept) unchanged", .faint))
        return lines
    }

    private func describe(_ mark: String, _ file: TargetFile, _ style: StyledText.Style) -> [StyledText] {
        var lines = [StyledText("\(mark) \(VisibleText.ascii(file.path))", style)]
        lines.append(StyledText("    \(Moments.size(file.length)), sha256 \(Hex.encode(file.hashes.sha256 ?? []))"))
        guard let release = try? ReleaseDescription(custom: file.custom) else { return lines }
        let name = VisibleText.ascii("\(release.package) \(release.version)")
        let flag: StyledText = release.security ? StyledText(" security", .loud) : ""
        lines.append(
            StyledText("    \(name) \(release.architecture), release \(release.counter)") + flag
        )
        for check in release.healthChecks { lines.append(StyledText("    health: \(check.words)")) }
        if !release.notes.isEmpty { lines.append(StyledText("    \(release.notes)")) }
        return lines
    }
}

extension HealthCheck {
    /// The check in words.
    var words: String {
        let what =
            switch probe {
            case .command(let arguments): "run " + arguments.joined(separator: " ")
            case .tcp(let host, let port): "connect to \(host):\(port)"
            case .http(let url): "fetch \(url)"
            case .unit(let name): "see that unit \(name) is active"
            case .unknown(let members): "a check that this program does not know: \(HealthCheck.kind(of: members))"
            }
        return "\(what) (within \(timeoutSeconds) s, up to \(attempts) times)"
    }
}
