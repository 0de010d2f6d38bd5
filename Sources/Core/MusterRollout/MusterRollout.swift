// MusterRollout
