// SignatureVerification
