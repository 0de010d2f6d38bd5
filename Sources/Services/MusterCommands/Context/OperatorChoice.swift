import MusterModel

extension OperatorConfiguration {
    /// The identity given on the command line, or the usual one of this account.
    static func chosen(name: OperatorName?, key: String?, _ context: CommandContext) throws -> OperatorConfiguration {
        guard let name = name ?? OperatorName(context.environment["USER"] ?? "") else {
            throw CommandFailure.usage("your name in the policy is not clear: give --operator NAME")
        }
        let home = context.environment["HOME"] ?? ""
        let file = key ?? home + "/.ssh/id_ed25519.pub"
        guard file.hasPrefix("/") || key != nil else {
            throw CommandFailure.usage("your SSH public key is not clear: give --operator-key FILE.pub")
        }
        let identity = OperatorConfiguration(name: name, publicKeyFile: context.absolute(file))
        _ = try OperatorKey.publicKey(identity.publicKeyFile)
        return identity
    }
}
