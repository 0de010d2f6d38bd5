import MusterClient

extension Error {
    /// The status of the problem that a service answered with.
    var problemStatus: Int? { (self as? ClientError)?.status }
}
