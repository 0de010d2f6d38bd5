/// The version of all three programs, which are built and released together.
///
/// `packaging/deb` reads it from the programs themselves, so that a package cannot claim another one.
public enum MusterVersion {
    /// As reports, the API and packages name it.
    public static let text = "0.1.0"

    /// What `PROGRAM --version` prints.
    public static func line(of program: String) -> String { "\(program) \(text)" }
}
