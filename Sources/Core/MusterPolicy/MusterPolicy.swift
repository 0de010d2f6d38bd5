// Who may ask the fleet for what: the policy document and the decision it leads to. Pure: no clock, no I/O.
//
// Parties: the policy keys' holders sign `policy/fleet.json` as a TUF target; operators are named in it with their SSH keys;
// every node evaluates it by itself, and so do the service (to answer early) and the command line (to explain). The service
// cannot change a word of it.
//
// Rotation: each key carries its own expiry and the document one of all; a new version replaces the whole document.
