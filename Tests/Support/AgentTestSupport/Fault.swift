import Glibc
import MusterAgent
import MusterModel
import MusterSystem

/// What befalls a node at a phase of an upgrade.
public enum Fault: String, Sendable, CaseIterable {
    /// `kill -9` of the agent, as when the power goes.
    case kill
    /// The service is gone; the repository is still there.
    case service
    /// The network is gone: service and repository.
    case network
    /// The disk of the agent and of its packages is full.
    case disk
    /// The next run of the package manager is killed in the middle, in one of the maintainer scripts.
    case packages
    /// The clock jumps 400 days ahead.
    case ahead
    /// The clock jumps 400 days back.
    case back

    /// The file of a node that a fault has met.
    public static let mark = "struck"
    /// Seconds of a jump.
    private static let jump: Int64 = 400 * 86400

    /// Lets it happen to the node in `folder`; returns by how many seconds its clock is wrong from then on.
    public func strike(_ folder: String, at phase: UpgradePhase) -> Int64 {
        try? AtomicFile.write([], to: folder + "/" + Self.mark)
        switch self {
        case .kill: Glibc.kill(getpid(), SIGKILL)
        case .service: try? TestAgent.service(folder).vanish()
        case .network:
            try? TestAgent.service(folder).vanish()
            try? AtomicFile.write([], to: TestAgent.outage(folder))
        case .disk: Self.fill(folder + "/disk/filler")
        case .packages:
            try? AtomicFile.write(Array(Self.script(at: phase).utf8), to: folder + "/strike", mode: 0o644)
        case .ahead: return Self.jump
        case .back: return -Self.jump
        }
        return 0
    }

    /// Everything is as it was before, but for what it did.
    public static func end(_ folder: String) throws {
        try TestAgent.service(folder).comeBack()
        try AtomicFile.remove(TestAgent.outage(folder))
        try AtomicFile.remove(folder + "/strike")
    }

    /// Maintainer scripts that let `strike` kill the package manager that runs them.
    public static let scripts = Dictionary(
        uniqueKeysWithValues: ["preinst", "postinst", "prerm", "postrm"].map { name in
            (
                name,
                """
                strike=${DPKG_ROOT%/root}/strike
                if [ "$(cat "$strike" 2>/dev/null)" = \(name) ]; then rm "$strike"; kill -9 $PPID; sleep 0.1; exit 1; fi
                """
            )
        }
    )

    /// In which script: before, while and after the files are exchanged.
    private static func script(at phase: UpgradePhase) -> String {
        switch phase {
        case .assigned, .rollingBack: "preinst"
        case .downloaded, .installing, .rolledBack, .done: "postinst"
        case .verified: "prerm"
        default: "postrm"
        }
    }

    private static func fill(_ path: String) {
        guard let file = try? OpenFile(path, flags: O_WRONLY | O_CREAT | O_APPEND) else { return }
        for size in [65536, 4096, 512, 1] {
            let bytes = [UInt8](repeating: 0, count: size)
            while (try? file.write(bytes)) != nil {}
        }
    }
}
