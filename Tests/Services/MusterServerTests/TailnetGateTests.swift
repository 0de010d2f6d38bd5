import Logging
import MusterAPI
import Synchronization
import Tailnet
import Testing

@testable import MusterServer

extension TailnetIdentityTests {
    @Suite("The gate that every request passes")
    struct TailnetGateTests {
        /// A tailnet that knows one address, or does not answer.
        final class Source: TailnetSource {
            let isGone = Mutex(false)

            private func answer<Value>(_ value: Value) throws(TailnetError) -> Value {
                if isGone.withLock({ $0 }) { throw TailnetError("gone") }
                return value
            }

            func whois(_ address: String) async throws(TailnetError) -> TailnetIdentity? {
                let known = TailnetIdentity(id: "n1", key: "k1", addresses: ["100.64.0.5"])
                return try answer(address == "100.64.0.5" ? known : nil)
            }

            func identities() async throws(TailnetError) -> [TailnetIdentity] { try answer([]) }
            func own() async throws(TailnetError) -> TailnetIdentity { try answer(TailnetIdentity(id: "me")) }
        }

        private static func gate(_ source: Source?, usesTLS: Bool) -> TailnetGate {
            var options = ServeOptions()
            options.tailnetSeconds = 0
            if usesTLS { options.tls = ("certificate", "key") }
            var log = Logger(label: "test", factory: { StreamLogHandler.standardError(label: $0) })
            log.logLevel = .critical
            return TailnetGate(source, options, log: log)
        }

        private static func outcome(_ gate: TailnetGate, _ address: String) async -> String {
            do throws(Problem) {
                return try await gate.identity(at: address).id
            } catch {
                return error.code
            }
        }

        @Test("Over plain HTTP only this machine and whom the tailnet knows get in")
        func plain() async {
            let gate = Self.gate(Source(), usesTLS: false)
            #expect(await Self.outcome(gate, "127.0.0.1") == "address:127.0.0.1")
            #expect(await Self.outcome(gate, "::1") == "address:::1")
            #expect(await Self.outcome(gate, "127.3.2.1") == "address:127.3.2.1")
            #expect(await Self.outcome(gate, "100.64.0.5") == "n1")
            #expect(await Self.outcome(gate, "100.64.0.6") == "unknown-caller")
            #expect(await Self.outcome(gate, "192.168.0.1") == "unknown-caller")
            #expect(await Self.outcome(gate, "") == "unknown-caller")
        }

        @Test("Without a tailnet and without TLS only this machine gets in, whatever it listens on")
        func alone() async {
            let gate = Self.gate(nil, usesTLS: false)
            #expect(await Self.outcome(gate, "127.0.0.1") == "address:127.0.0.1")
            #expect(await Self.outcome(gate, "100.64.0.5") == "unknown-caller")
        }

        @Test("Over TLS who is not on the tailnet is an address and nobody else")
        func tls() async {
            let gate = Self.gate(Source(), usesTLS: true)
            #expect(await Self.outcome(gate, "100.64.0.5") == "n1")
            #expect(await Self.outcome(gate, "8.8.8.8") == "address:8.8.8.8")
            #expect(await Self.outcome(Self.gate(nil, usesTLS: true), "8.8.8.8") == "address:8.8.8.8")
        }

        @Test("While the tailnet does not answer even TLS lets in nobody who could be on it")
        func gone() async {
            let source = Source()
            source.isGone.withLock { $0 = true }
            for usesTLS in [false, true] {
                let gate = Self.gate(source, usesTLS: usesTLS)
                #expect(await Self.outcome(gate, "100.64.0.5") == "tailnet-unavailable")
                #expect(await Self.outcome(gate, "8.8.8.8") == "tailnet-unavailable")
                #expect(await Self.outcome(gate, "127.0.0.1") == "address:127.0.0.1")
                #expect(await gate.refresh() == nil)
            }
        }
    }
}
