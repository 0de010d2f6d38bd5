import ByteCoding
import MusterSystem
import MusterTestSupport
import OpenSSHFormats
import Testing

/// The real ssh-keygen in a folder of a test's own; the time zone is UTC.
struct OpenSSHWorkbench {
    let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    @discardableResult
    func keygen(_ arguments: [String], input: [UInt8] = []) async throws -> CommandResult {
        var command = Command("/usr/bin/ssh-keygen", arguments, input: input, workingDirectory: folder.path)
        command.environment["TZ"] = "UTC"
        return try await command.run(timeout: .seconds(60), outputLimit: 64 * 1024 * 1024)
    }

    /// Makes a key pair and returns the public half.
    func key(_ name: String, _ type: [String]) async throws -> SSHPublicKey {
        let result = try await keygen(["-q", "-N", "", "-C", name, "-f", name] + type)
        try #require(result.succeeded, "\(result.errorText)")
        return try SSHPublicKey(line: try text(name + ".pub"))
    }

    func text(_ name: String) throws -> String {
        String(decoding: try #require(try folder.read(name)), as: UTF8.self)
    }

    func write(_ name: String, _ text: String) throws {
        try folder.write(name, Array(text.utf8))
    }

    /// What `ssh-keygen -L` says of each line of a file; nil for a line that it refuses.
    func listing(_ lines: [String]) async throws -> [String?] {
        // A comment in front, so that every certificate has its line's number above it.
        try write("listed", "# certificates\n" + lines.joined(separator: "\n") + "\n")
        let result = try await keygen(["-L", "-f", "listed"])
        var found = [String?](repeating: nil, count: lines.count)
        var current: Int?
        for line in result.outputText.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("listed:") {
                current = Int(line.dropFirst(7).dropLast()).map { $0 - 2 }
                if let current { found[current] = "" }
            } else if let current, !line.isEmpty {
                found[current]? += line + "\n"
            }
        }
        return found
    }
}

extension SSHCertificate {
    /// What `ssh-keygen -L` prints of it, in UTC.
    var listing: String {
        func shortName(_ kind: SSHKeyKind) -> String {
            switch kind {
            case .ed25519: "ED25519"
            case .ecdsaP256: "ECDSA"
            case .skEd25519: "ED25519-SK"
            case .skECDSAP256: "ECDSA-SK"
            case .rsa: "RSA"
            }
        }
        let kind = content.kind == .user ? "user" : "host"
        let algorithm = signature.algorithm.rawValue
        var lines = [
            "Type: \(typeName) \(kind) certificate",
            "Public key: \(shortName(content.publicKey.kind))-CERT \(content.publicKey.fingerprint)",
            "Signing CA: \(shortName(content.authority.kind)) \(content.authority.fingerprint) (using \(algorithm))",
            "Key ID: \"\(content.keyID)\"", "Serial: \(content.serial)", "Valid: \(Self.validity(content))",
            "Principals: ",
        ]
        lines += content.principals.map { "        " + $0 }
        lines += Self.list("Critical Options:", content.criticalOptions)
        lines += Self.list("Extensions:", content.extensions)
        return lines.map { "        " + $0 + "\n" }.joined()
    }

    private static func list(_ title: String, _ options: [SSHCertificateOption]) -> [String] {
        guard !options.isEmpty else { return [title + " (none)"] }
        let flags = SSHCertificateOption.permissions + ["no-touch-required", "verify-required"]
        return [title + " "]
            + options.map { option in
                if flags.contains(option.name) { return "        " + option.name }
                if ["force-command", "source-address"].contains(option.name), let text = option.text {
                    return "        \(option.name) \(text)"
                }
                guard !option.data.isEmpty else { return "        \(option.name) UNKNOWN FLAG OPTION" }
                return "        \(option.name) UNKNOWN OPTION: \(Hex.encode(option.data)) (len \(option.data.count))"
            }
    }

    private static func validity(_ content: SSHCertificateContent) -> String {
        func moment(_ seconds: UInt64) -> String {
            String(UTCTime(seconds: Int64(clamping: seconds)).description.dropLast())
        }
        switch (content.validAfter, content.validBefore) {
        case (0, .max): return "forever"
        case (0, let before): return "before \(moment(before))"
        case (let after, .max): return "after \(moment(after))"
        case (let after, let before): return "from \(moment(after)) to \(moment(before))"
        }
    }
}
