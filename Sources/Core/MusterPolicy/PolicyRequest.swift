import MusterModel

/// What a node knows of itself, and the service of each node: enough to say which rules and selectors mean it.
public struct NodeFacts: Hashable, Sendable {
    /// Its id; nil while it is only about to join.
    public let id: NodeID?
    /// Its tags, by statements only.
    public let tags: Set<Tag>

    /// A node with these tags.
    public init(id: NodeID?, tags: Set<Tag>) {
        self.id = id
        self.tags = tags
    }

    /// Whether any of the selectors means the node.
    public func isSelected(by selectors: [NodeSelector]) -> Bool {
        selectors.contains { selector in
            switch selector {
            case .every: true
            case .tag(let tag): tags.contains(tag)
            case .node(let node): node == id
            }
        }
    }
}

/// The login that a certificate is asked for.
public struct PolicyLogin: Hashable, Sendable {
    /// The account to log in as.
    public let account: AccountName
    /// The one command that it is for; nil for whatever the user asks for.
    public let command: String?

    /// A login.
    public init(account: AccountName, command: String? = nil) {
        self.account = account
        self.command = command
    }
}

/// A question to the policy: whether these signers may have this done here.
public struct PolicyRequest: Hashable, Sendable {
    /// What is asked for.
    public var action: PolicyAction
    /// Who asks.
    public var requester: OperatorName
    /// Operators whose signatures were verified and count, the requester among them.
    public var signers: Set<OperatorName>
    /// Where; nil to ask whether there is any place at all.
    public var node: NodeFacts?
    /// The package to change, where it is about one.
    public var package: String?
    /// The tags to give or take away, where it is about tags.
    public var tags: Set<Tag>
    /// The login to allow, where it is about one.
    public var login: PolicyLogin?
    /// The approved command to run, where it is about one.
    public var command: CommandName?
    /// Whether the package is a security release, by the word of the release keys.
    public var isSecurity: Bool

    /// A question of these parts.
    public init(
        action: PolicyAction,
        requester: OperatorName,
        signers: Set<OperatorName>,
        node: NodeFacts?,
        package: String? = nil,
        tags: Set<Tag> = [],
        login: PolicyLogin? = nil,
        command: CommandName? = nil,
        isSecurity: Bool = false
    ) {
        self.action = action
        self.requester = requester
        self.signers = signers
        self.node = node
        self.package = package
        self.tags = tags
        self.login = login
        self.command = command
        self.isSecurity = isSecurity
    }

    /// What a statement asks for.
    ///
    /// A node that is about to join counts as having the tags it is given. New tags of a node that is known are judged by
    /// those that change, given or taken away: whoever may give `web` can neither take `production` away nor is hindered
    /// by it.
    public init(_ statement: Statement, signers: Set<OperatorName>, node: NodeFacts?) {
        self.init(action: PolicyAction(statement.type), requester: statement.requester, signers: signers, node: node)
        switch statement.body {
        case .enroll(let body):
            tags = Set(body.tags)
            self.node = NodeFacts(id: node?.id, tags: tags)
        case .tagNode(let body): tags = Set(body.tags).symmetricDifference(node?.tags ?? [])
        case .upgrade(let body), .rollBack(let body): package = body.package
        case .sshCertificate(let body): login = PolicyLogin(account: body.user, command: body.command)
        case .run(let body): command = body.command
        case .extendNode, .exemptNode, .removeNode, .revoke: break
        }
    }
}
