import ByteCoding
import MusterSystem

/// Whether the machine must be rebooted before all that is installed is in use.
///
/// Only found out and reported. A node never reboots by itself: a reboot is an approved command like any other, so that its
/// rule says who may ask for one and within which `windows`, and the node itself holds to that.
public struct RebootNeed: Sendable {
    private let root: String
    private let kernel: String

    /// The machine below `root`, on which a kernel of this release runs.
    public init(root: String, kernel: String) {
        self.root = root == "/" ? "" : root
        self.kernel = kernel
    }

    /// Why, in at most 1024 bytes; empty where it need not be.
    public func reason() -> String {
        [required(), newerKernel()].compactMap { $0 }.joined(separator: "; ").bounded(1024)
    }

    /// What packages asked for, by the file that Debian's tools keep.
    private func required() -> String? {
        guard Directory.exists(root + "/run/reboot-required") else { return nil }
        let bytes = (try? BoundedFile.readIfPresent(root + "/run/reboot-required.pkgs", limit: 65536)) ?? nil
        var names: [Substring] = []
        for name in String(decoding: bytes ?? [], as: UTF8.self).split(whereSeparator: \.isWhitespace)
        where !names.contains(name) {
            names.append(name)
        }
        if names.isEmpty { return "an installed package asks for it" }
        let rest = names.count > 5 ? " and \(names.count - 5) more" : ""
        return "asked for by " + names.prefix(5).joined(separator: ", ") + rest
    }

    /// The newest kernel of the running one's kind that is installed, where it is not the running one.
    private func newerKernel() -> String? {
        guard let running = KernelRelease(kernel) else { return nil }
        let names = (try? Directory.entries(root + "/boot")) ?? []
        let newer = names.filter { $0.hasPrefix("vmlinuz-") }
            .compactMap { KernelRelease(String($0.dropFirst("vmlinuz-".count))) }
            .filter { $0.isUpdate(of: running) }
            .max { $0.numbers.lexicographicallyPrecedes($1.numbers) }
        return newer.map { "kernel \($0.text) is installed, \(kernel) runs" }
    }
}
