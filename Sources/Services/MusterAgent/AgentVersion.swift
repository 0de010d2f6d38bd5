/// The version of this program, as reports name it.
public enum AgentVersion {
    /// Version of muster.
    public static let text = "0.1.0"
}
