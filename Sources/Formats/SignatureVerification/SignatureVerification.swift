// Hashes and signature checks, behind byte arrays.
//
// Parties: whoever checks a signature (TUF metadata, manifests, statements) brings the bytes, the signature and the key;
// nothing here knows whose key it is. Keys are public only; signing lives in MusterKeys and MusterSigners.
//
// Ed25519 is libsodium's (12.3 k verifications/s a core against 8.1 k); hashing, ECDSA and RSA are swift-crypto's.
// A check answers true or false and never says why: a malformed key, a malformed signature and a wrong signature are
// the same refusal, so no caller can mistake one of them for success.
