import ArgumentParser
import MusterModel

extension StatedReason {
    /// Refuses a `--reason` that says nothing, or more than one line; none at all is for the command to allow.
    static func validate(_ reason: String?) throws {
        guard let reason, !isValid(reason) else { return }
        throw ValidationError("--reason must be one line of at most \(byteLimit) bytes")
    }
}
