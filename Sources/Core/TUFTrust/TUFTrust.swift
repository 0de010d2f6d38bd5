// TUFTrust
