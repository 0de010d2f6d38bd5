import ByteCoding
import Glibc
import MusterKeys
import MusterModel
import MusterSigners
import MusterSystem

/// The files of a fleet that is being made, which go away again should the service refuse it.
struct NewFleetFiles: Sendable {
    private let context: CommandContext

    init(_ context: CommandContext) {
        self.context = context
    }

    /// Seals and writes every key; never over an existing file.
    func write(_ ceremony: FleetCeremony, _ passphrase: Passphrase) throws {
        try Directory.create(context.folder.keys)
        for (name, group) in [
            ("root", ceremony.root), ("release", ceremony.release), ("policy", ceremony.policy),
        ] {
            for (index, key) in group.keys.enumerated() {
                let path = "\(context.folder.keys)/\(name)-\(index + 1).key"
                let sealed = try SealedKeyFile(
                    sealing: key,
                    passphrase: passphrase,
                    comment: "\(name) key \(index + 1) of \(group.keys.count)",
                    cost: context.keyCost
                )
                guard !Directory.exists(path) else { throw CommandFailure.refused("\(path) is there already") }
                try sealed.write(to: path)
            }
        }
    }

    /// Writes the configuration, the pinned root and the policy's source.
    func write(
        _ fleet: FleetConfiguration,
        _ identity: OperatorConfiguration,
        root: [UInt8],
        policy: String
    ) throws {
        try Directory.create(context.folder.tuf)
        try AtomicFile.write(root, to: context.folder.pinnedRootFile)
        try context.folder.write(identity.json, to: context.folder.operatorFile)
        try AtomicFile.write(Array(policy.utf8), to: context.folder.policyFile)
        try context.folder.write(fleet.json, to: context.folder.fleetFile)
    }

    /// Removes what the two above wrote.
    func remove() {
        let folder = context.folder
        for name in (try? Directory.entries(folder.keys)) ?? [] { try? AtomicFile.remove(folder.keys + "/" + name) }
        rmdir(folder.keys)
        for file in [folder.fleetFile, folder.operatorFile, folder.policyFile, folder.pinnedRootFile] {
            try? AtomicFile.remove(file)
        }
        rmdir(folder.tuf)
    }
}
