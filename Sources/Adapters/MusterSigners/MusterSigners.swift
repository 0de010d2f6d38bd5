// Everything that signs for people and for the service: the only module besides MusterKeys that touches secret keys.
//
// Parties: trust holders, release managers and policy owners sign TUF metadata with a `Signer` (a sealed key file or an
// Ed25519 key in an ssh-agent); musterd signs freshness and manifests with one; operators sign statements as SSHSIG with an
// `OperatorSigner` (ssh-keygen, or an ssh-agent spoken to directly). No node contains this module.
//
// Keys are rotated where they are named: TUF keys by a new root or targets, operator keys by a new policy.
