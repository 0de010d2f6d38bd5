import DebianPackage
import MusterModel

/// Which nodes are meant, as a person writes it.
///
/// `description` is the shortest text that parses to the same selection again.
public indirect enum Selection: Hashable, Sendable {
    /// `*`
    case every
    /// `tag:web`
    case tag(Tag)
    /// `node:db1`: the node with this id, or else with this name.
    case node(String)
    /// `name:web-*`
    case name(GlobPattern)
    /// `os=debian`
    case comparison(Comparison)
    /// `not …`
    case not(Selection)
    /// `… and …`, two or more.
    case all([Selection])
    /// `… or …`, two or more.
    case any([Selection])
    /// `10% of …`
    case quota(Quota, Selection)

    /// Most bytes of a selection's text.
    public static let byteLimit = 4096
    /// How deep parentheses, quotas and `not` may be nested.
    public static let depthLimit = 64

    /// A part of the nodes that are meant: the first ones in the order of their names.
    public enum Quota: Hashable, Sendable {
        /// 1 to 100 per cent of them, rounded up: a tenth of three nodes is one.
        case percent(Int)
        /// So many of them, or all where there are fewer.
        case count(Int)

        /// How many of `total` nodes.
        public func share(of total: Int) -> Int {
            switch self {
            case .percent(let percent): (total * percent + 99) / 100
            case .count(let count): min(total, count)
            }
        }
    }

    /// A fact about a node against a value.
    public struct Comparison: Hashable, Sendable {
        /// What a node reports of itself, or the register says of it.
        public enum Fact: Hashable, Sendable {
            /// The words of os-release's `PRETTY_NAME`.
            case os
            /// The package manager's architecture.
            case architecture
            /// `online`, `offline`, `new` or `key-expired`.
            case state
            /// The version of the agent.
            case agent
            /// The installed version of a package.
            case version(package: String)

            var isVersion: Bool {
                switch self {
                case .agent, .version: true
                case .os, .architecture, .state: false
                }
            }
        }

        /// How fact and value compare.
        public enum Sign: String, Hashable, Sendable, CaseIterable {
            case equal = "="
            case unequal = "!="
            case less = "<"
            case lessOrEqual = "<="
            case greater = ">"
            case greaterOrEqual = ">="

            var isOrder: Bool { self != .equal && self != .unequal }
        }

        /// The fact.
        public let fact: Fact
        /// How it compares.
        public let sign: Sign
        /// With what.
        public let value: String
    }
}

extension Selection: CustomStringConvertible {
    /// The selection as it is written.
    public var description: String {
        switch self {
        case .every: "*"
        case .tag(let tag): "tag:\(tag)"
        case .node(let name): "node:\(name)"
        case .name(let glob): "name:\(glob)"
        case .comparison(let comparison): comparison.description
        case .not(let inner): "not \(inner.asTerm)"
        case .all(let parts): parts.map(\.asTerm).joined(separator: " and ")
        case .any(let parts): parts.map(\.asUnion).joined(separator: " or ")
        case .quota(let quota, let inner): "\(quota) of \(inner.asTerm)"
        }
    }

    /// The text where `and` or `not` is beside it.
    private var asTerm: String {
        switch self {
        case .all, .any, .quota: "(\(self))"
        default: description
        }
    }

    /// The text where `or` is beside it.
    private var asUnion: String {
        switch self {
        case .any, .quota: "(\(self))"
        default: description
        }
    }
}

extension Selection.Quota: CustomStringConvertible {
    /// The quota as it is written.
    public var description: String {
        switch self {
        case .percent(let percent): "\(percent)%"
        case .count(let count): "\(count)"
        }
    }
}

extension Selection.Comparison: CustomStringConvertible {
    /// The comparison as it is written.
    public var description: String {
        let plain = !value.isEmpty && value.utf8.allSatisfy(SelectionScanner.isWordByte)
        return fact.isVersion
            ? "\(fact) \(sign.rawValue) \(value)" : "\(fact)\(sign.rawValue)\(plain ? value : "\"\(value)\"")"
    }
}

extension Selection.Comparison.Fact: CustomStringConvertible {
    /// The fact as it is written.
    public var description: String {
        switch self {
        case .os: "os"
        case .architecture: "arch"
        case .state: "state"
        case .agent: "agent"
        case .version(let package): "version(\(package))"
        }
    }
}
