import Tailnet
import Testing

@Suite struct TailnetErrorTests {
    @Test("an error is its message") func message() {
        #expect("\(TailnetError("ask tailscaled: no socket"))" == "ask tailscaled: no socket")
    }
}
