# Writes v.export: entries of a journal in its export format, as README.md lists them.
import struct

BOOT = "0123456789abcdef0123456789abcdef"
MACHINE = "fedcba9876543210fedcba9876543210"
START = 1795408234000000


def accepted(serial, key_id=b"ada@laptop"):
    return (
        b"Accepted publickey for root from 100.64.0.7 port 40084 ssh2: ED25519-CERT SHA256:abc ID " + key_id
        + b" (serial %d) CA ED25519 SHA256:KDTwWkMtK1ScMfIIYtJAIS+l8fUtR0PbYdNicBn4KoY" % serial
    )


ENTRIES = [
    [("MESSAGE", accepted(1))],
    [("MESSAGE", accepted(2))],
    [("MESSAGE", accepted(3))],
    [("MESSAGE", accepted(26, "jörg".encode())), ("_SYSTEMD_UNIT", b"sshd.service")],
    [("MESSAGE", accepted(27) + b"\r")],
    [("MESSAGE", accepted(28, b"\xff\xfe"))],
    [("MESSAGE", accepted(29)), ("MESSAGE", accepted(30))],
    [("MESSAGE", b"a" * 5000)],
    [("MESSAGE", accepted(31)), ("_UID", b"1000"), ("_COMM", b"logger")],
    [("MESSAGE", accepted(32)), ("_SYSTEMD_UNIT", b"evil.service")],
    [
        ("MESSAGE", b"Started ssh.service - OpenBSD Secure Shell server."),
        ("UNIT", b"ssh.service"), ("_PID", b"1"), ("_SYSTEMD_UNIT", b"init.scope"),
    ],
    [("MESSAGE", accepted(34)), ("_SYSTEMD_UNIT", b"ssh@0-10.0.0.1:22-10.0.0.2:5.service")],
    [("MESSAGE", accepted(35))],
]

with open("v.export", "wb") as out:
    for number, entry in enumerate(ENTRIES, 1):
        time = START + number * 1000000
        cursor = f"s=00112233445566778899aabbccddeeff;i={number:x};b={BOOT};m={number:x};t={time:x};x={number:x}"
        out.write(f"__CURSOR={cursor}\n__REALTIME_TIMESTAMP={time}\n__MONOTONIC_TIMESTAMP={number}\n".encode())
        given = {name for name, _ in entry}
        fields = [("_BOOT_ID", BOOT.encode()), ("_MACHINE_ID", MACHINE.encode())] + entry
        fields += [
            (name, value)
            for name, value in [("_UID", b"0"), ("_SYSTEMD_UNIT", b"ssh.service"), ("SYSLOG_IDENTIFIER", b"sshd")]
            if name not in given
        ]
        for name, value in fields:
            if any(byte < 32 for byte in value):
                out.write(name.encode() + b"\n" + struct.pack("<Q", len(value)) + value + b"\n")
            else:
                out.write(name.encode() + b"=" + value + b"\n")
        out.write(b"\n")
