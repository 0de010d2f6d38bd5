// How long keys live: a node's own key from its making over its rotation to its expiry, and the notices that go out before
// anything expires.
//
// Pure: the time is an argument. The service keeps the state and does the effects.
