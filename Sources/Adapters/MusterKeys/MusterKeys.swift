// MusterKeys
