// What the fleet's two SSH CAs sign, and what they revoke. Pure: time, nonces and serials are arguments.
//
// Parties: an operator signed an `ssh-certificate` statement, which the service has verified; the service holds the user CA
// and the host CA, Ed25519, each behind a `Signer`; sshd trusts the user CA, ssh clients the host CA. A node does not take the
// user CA's word: it verifies the statement in the certificate again (MusterTrust, `SSHLoginVerifier`), so everything made here
// stays within what is verified there.
//
// Nothing here signs: `UnsignedCertificate.bytes` go to the signer, whose signature makes the certificate. The serial must be
// on disk before the certificate leaves. CAs rotate by TUF target `ssh/trust.json`; a certificate lives a day, a host's 30 days.
