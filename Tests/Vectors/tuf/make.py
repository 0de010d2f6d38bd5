#!/usr/bin/env python3
"""Makes the repository in this folder with python-tuf; see README.md. Run once: the signatures differ at every run."""
import datetime
import os
import sys

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import (
    DelegatedRole, Delegations, Metadata, MetaFile, Root, Snapshot, SuccinctRoles, TargetFile, Targets, Timestamp,
)
from tuf.api.serialization.json import JSONSerializer

EXPIRES = datetime.datetime(2100, 1, 1, tzinfo=datetime.timezone.utc)
HERE = os.path.dirname(os.path.abspath(__file__))
ed25519, ecdsa, rsa = CryptoSigner.generate_ed25519(), CryptoSigner.generate_ecdsa(), CryptoSigner.generate_rsa()
other = CryptoSigner.generate_ecdsa()


def write(name, metadata, signers, compact=False):
    metadata.signatures.clear()
    for signer in signers:
        metadata.sign(signer, append=True)
    data = metadata.to_bytes(JSONSerializer(compact=compact))
    os.makedirs(os.path.join(HERE, "metadata"), exist_ok=True)
    with open(os.path.join(HERE, "metadata", name), "wb") as file:
        file.write(data)
    return data


root = Root(expires=EXPIRES)
for signer in (ed25519, ecdsa, rsa):
    root.add_key(signer.public_key, "root")
root.roles["root"].threshold = 2
root.add_key(ecdsa.public_key, "timestamp")
root.add_key(rsa.public_key, "snapshot")
for signer in (ed25519, ecdsa, rsa):
    root.add_key(signer.public_key, "targets")
root.roles["targets"].threshold = 3
root.unrecognized_fields["x-note"] = "gr\u00fc\u00dfe \U0001F600 \"quoted\" \\ back / \t tab"
write("1.root.json", Metadata(root), [ed25519, ecdsa, rsa])
root.version = 2
root.revoke_key(ed25519.public_key.keyid, "root")
root.add_key(other.public_key, "root")
write("2.root.json", Metadata(root), [ecdsa, rsa, other])

bins = Targets(expires=EXPIRES)
bins.delegations = Delegations({}, None, SuccinctRoles([], 1, 2, "bin"))
bins.add_key(ecdsa.public_key)
meta = {}
for name in bins.delegations.succinct_roles.get_roles():
    metadata = Targets(expires=EXPIRES)
    for path in ("bins/one", "bins/two", "bins/three", "bins/four"):
        if bins.delegations.succinct_roles.get_role_for_target(path) == name:
            metadata.targets[path] = TargetFile.from_data(path, path.encode(), ["sha256"])
    write(f"1.{name}.json", Metadata(metadata), [ecdsa])
    meta[f"{name}.json"] = MetaFile(1)
data = write("1.bins.json", Metadata(bins), [rsa], compact=True)
meta["bins.json"] = MetaFile.from_data(1, data, ["sha256", "sha512"])

hashed = Targets(expires=EXPIRES)
hashed.targets["hashed/f"] = TargetFile.from_data("hashed/f", b"hashed", ["sha512"])
write("1.hashed.json", Metadata(hashed), [ed25519])
meta["hashed.json"] = MetaFile(1)

targets = Targets(expires=EXPIRES)
file = TargetFile.from_data("hello.txt", b"hello\n", ["sha256", "sha512"])
file.unrecognized_fields["custom"] = {"muster": {"a": [1, 2, None, True], "\u00e9": "e\u0301"}}
targets.targets["hello.txt"] = file
targets.delegations = Delegations({}, {})
prefix = TargetFile.from_data("hashed/f", b"", ["sha256"]) and __import__("hashlib").sha256(b"hashed/f").hexdigest()[:3]
targets.delegations.roles["hashed"] = DelegatedRole("hashed", [], 1, True, None, [prefix])
targets.add_key(ed25519.public_key, "hashed")
targets.delegations.roles["bins"] = DelegatedRole("bins", [], 1, False, ["bins/*"])
targets.add_key(rsa.public_key, "bins")
data = write("1.targets.json", Metadata(targets), [ed25519, ecdsa, rsa])
meta["targets.json"] = MetaFile.from_data(1, data, ["sha512"])

snapshot = Snapshot(expires=EXPIRES, meta=meta)
data = write("1.snapshot.json", Metadata(snapshot), [rsa])
write("timestamp.json", Metadata(Timestamp(expires=EXPIRES, snapshot_meta=MetaFile.from_data(1, data, ["sha256"]))), [ecdsa])
sys.stdout.write("written\n")
