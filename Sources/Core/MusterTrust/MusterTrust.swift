// MusterTrust
