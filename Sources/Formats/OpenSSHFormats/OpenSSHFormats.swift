// The formats of OpenSSH that muster reads and writes itself: public keys, certificates, revocation lists (KRL), SSHSIG
// signatures, allowed signers, the agent protocol, and private key files for keys that live as long as a certificate.
//
// Parties: operators hold keys (ssh-agent, FIDO2, file) and make SSHSIG signatures with them; the service's CA signs
// certificates; nodes, the service and the command line check both. The only secret half of a key that is written here is
// that of an operator's ephemeral Ed25519 key (`SSHPrivateKey`), made for one certificate.
//
// Accepted: ssh-ed25519, ecdsa-sha2-nistp256, their two sk- (FIDO2) forms, and ssh-rsa of 2048 to 8192 bits with SHA-2
// signatures only, each plain or certified. SHA-1 signatures, DSA, P-384, P-521 and webauthn are refused, not ignored.
//
// Every reader is strict (one encoding for each value, no trailing bytes) and bounded, so that parse-then-serialize gives
// the same bytes. Rotation of keys is the policy's business: a key here never expires by itself, a certificate does.
