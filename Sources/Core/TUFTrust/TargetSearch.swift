import TUF

/// The search for one file through the delegations, in pre-order.
///
/// First the role itself, then each role it delegates the path to, in its order. A terminating delegation ends the search
/// behind it; a role is visited once, so that cycles end.
///
/// A state machine without I/O: `next` says which role's metadata is missing; load it and ask again.
public struct TargetSearch: Sendable {
    /// What is to happen next.
    public enum Step: Sendable, Equatable {
        /// The file is described by `role`.
        case found(TargetFile, role: String)
        /// No role that may speak for the path describes it.
        case notFound
        /// The metadata of `role` is needed, on the word of `delegator`.
        case load(role: String, delegator: String)
    }

    /// The path that is looked for.
    public let path: String
    private var open: [(role: String, delegator: String)] = [("targets", "root")]
    private var visited: Set<String> = []

    /// A search that begins at the top-level targets role.
    public init(_ path: String) {
        self.path = path
    }

    /// Goes on as far as the loaded metadata reaches.
    public mutating func next(_ trusted: inout TrustedMetadata) throws(TUFTrustError) -> Step {
        while let (role, delegator) = open.last {
            let name = TargetPath.percentEncoded(role)
            guard !visited.contains(name) else {
                open.removeLast()
                continue
            }
            guard visited.count <= trusted.limits.delegations else {
                throw TUFTrustError(
                    .tooManyDelegations,
                    "\(path): more than \(trusted.limits.delegations) delegations to follow"
                )
            }
            guard try trusted.isTrusted(role, delegator: delegator), let targets = trusted.roles[name]?.targets else {
                return .load(role: role, delegator: delegator)
            }
            visited.insert(name)
            open.removeLast()
            if let file = targets.file(path) { return .found(file, role: role) }
            follow(targets, role)
        }
        return .notFound
    }

    private mutating func follow(_ targets: Targets, _ delegator: String) {
        var children: [(role: String, delegator: String)] = []
        for (name, terminating) in targets.delegations?.roles(for: path) ?? [] {
            children.append((name, delegator))
            if terminating {
                open = []
                break
            }
        }
        open += children.reversed()
    }
}

extension TrustedMetadata {
    /// The description of a file among the metadata already loaded; nil where it is not found without loading more.
    public func loadedTargetFile(_ path: String) -> TargetFile? {
        var copy = self
        var search = TargetSearch(path)
        guard case .found(let file, _) = try? search.next(&copy) else { return nil }
        return file
    }
}
