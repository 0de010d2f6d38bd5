import ArgumentParser
import MusterModel

/// A name of the model on the command line, checked when it is read.
struct NameArgument<Name: CheckedName>: ExpressibleByArgument, Sendable {
    let name: Name

    init?(argument: String) {
        guard let name = Name(argument) else { return nil }
        self.name = name
    }

    init(_ name: Name) {
        self.name = name
    }

    var defaultValueDescription: String { name.text }
}

/// A tag on the command line; `tag:` in front is allowed.
struct TagArgument: ExpressibleByArgument, Sendable {
    let tag: Tag

    init?(argument: String) {
        guard let tag = Tag(argument.hasPrefix("tag:") ? String(argument.dropFirst(4)) : argument) else { return nil }
        self.tag = tag
    }
}

/// A selector on the command line.
struct SelectorArgument: ExpressibleByArgument, Sendable {
    let selector: NodeSelector

    init?(argument: String) {
        guard let selector = NodeSelector(argument) else { return nil }
        self.selector = selector
    }

    init(_ selector: NodeSelector) {
        self.selector = selector
    }

    var defaultValueDescription: String { selector.description }
}
