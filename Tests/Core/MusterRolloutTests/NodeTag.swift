import MusterModel

/// A node's tag; `Tag` alone could be swift-testing's.
typealias NodeTag = MusterModel.Tag
