// The formats of OpenSSH that muster reads and writes itself: public keys, SSHSIG signatures, and the agent protocol.
//
// Parties: operators hold the keys (ssh-agent, FIDO2, file) and make SSHSIG signatures with them; nodes, the service and the
// command line check those signatures. Nothing here holds a secret key.
//
// Accepted: ssh-ed25519, ecdsa-sha2-nistp256, their two sk- (FIDO2) forms, and ssh-rsa of 2048 to 8192 bits with SHA-2
// signatures only. SHA-1, DSA, P-384, P-521, webauthn and certificates are refused, not ignored.
//
// Every reader is strict (one encoding for each value, no trailing bytes) and bounded, so that parse-then-serialize gives
// the same bytes. Rotation of keys is the policy's business: a key here never expires by itself.
