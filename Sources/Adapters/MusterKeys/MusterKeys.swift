// Secret keys in memory and on a node's disk, and random bytes, all by libsodium.
//
// Parties: a node holds one Ed25519 key (`NodeKeyFile`, 0600, never leaves the node); the service holds keys it unsealed
// (MusterSigners); both make random challenges and tokens. Nothing here travels.
//
// Secrets live in `SecretBytes`: outside the ordinary heap, between guard pages, not in core dumps, wiped when the last
// reference goes. A node's key is rotated by making a new file and enrolling it; there is no way to export one.
