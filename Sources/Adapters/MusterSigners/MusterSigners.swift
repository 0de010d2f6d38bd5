// MusterSigners
