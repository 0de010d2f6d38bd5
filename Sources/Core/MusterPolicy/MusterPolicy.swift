// MusterPolicy
