// MusterSystem
