// What is checked before anything is done: by a node before it acts, by the service and the command line before they accept.
// Pure: time, facts and trusted metadata are arguments.
//
// Parties: the fleet service brings manifests and statements and is believed nothing; operators signed the statements
// (SSHSIG); release keys' holders signed what packages exist (TUF). What the service's own keys sign, the manifest, only says
// what is next; each piece of work in it must carry the statement that allows it.
//
// Keys rotate by TUF root, top-level targets and policy; nothing is pinned here. Every refusal has a code and a text.
