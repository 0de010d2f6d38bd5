import ByteCoding

/// What a visitor says to a node that confirms an upgrade: `muster-reach <nonce in hexadecimal>` and the end of the line.
///
/// The nonce never goes out as it came: the service chooses it, and must not choose what nodes say to ports of the tailnet.
enum ReachLine {
    static func text(_ nonce: [UInt8]) -> String { "muster-reach " + Hex.encode(nonce) }
}
