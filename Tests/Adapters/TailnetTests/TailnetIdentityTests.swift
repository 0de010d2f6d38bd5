import Testing

/// Who is at an address; what follows from it at the service is in the suite of this name of `MusterServerTests`.
@Suite("Who is at an address")
struct TailnetIdentityTests {}
