import Testing

@testable import MusterSystem

@Suite
struct ServiceNotificationTests {
    @Test(
        "attack: no newline in a status begins another variable",
        arguments: [("a\nREADY=1", "a READY=1"), ("a\r\nREADY=1", "a READY=1"), ("a\rb\n\n", "a b"), ("", "")]
    )
    func oneLine(_ text: String, _ line: String) {
        #expect(ServiceNotification.oneLine(text) == line)
    }
}
