import MusterSystem
import TUFTrust

/// Why a refresh or a download failed.
///
/// Whatever the reason, what was trusted before is still trusted.
public enum TUFClientError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What the repository sent is not trusted, or what is trusted has expired.
    case trust(TUFTrustError)
    /// The repository did not answer properly: for which address, and why.
    case fetch(address: String, reason: String)
    /// Metadata or a file could not be read or stored here.
    case storage(SystemError)
    /// There is no trusted root to start from in this folder.
    case noTrustedRoot(folder: String)

    /// The message: what was tried, on what, and why it failed.
    public var description: String {
        switch self {
        case .trust(let error): error.message
        case .fetch(let address, let reason): "cannot fetch \(address): \(reason)"
        case .storage(let error): error.description
        case .noTrustedRoot(let folder): "no trusted root in \(folder): initialize it with one"
        }
    }
}

/// Runs `body`; its error becomes one of this module.
func trusting<Value>(_ body: () throws(TUFTrustError) -> Value) throws(TUFClientError) -> Value {
    do {
        return try body()
    } catch {
        throw .trust(error)
    }
}

/// Runs `body`; its error becomes one of this module.
func storing<Value>(_ body: () throws(SystemError) -> Value) throws(TUFClientError) -> Value {
    do {
        return try body()
    } catch {
        throw .storage(error)
    }
}
