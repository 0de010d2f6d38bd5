// OpenSSHFormats
