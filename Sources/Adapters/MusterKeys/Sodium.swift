import CSodium

/// libsodium, set up once before its first use.
enum Sodium {
    /// Sets libsodium up, or ends the program: without its random numbers no key would be a key.
    static func start() {
        precondition(started, "libsodium could not be initialised: the system's random numbers are not available")
    }

    private static let started = sodium_init() >= 0
}
