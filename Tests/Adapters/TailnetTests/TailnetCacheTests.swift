import MusterTestSupport
import Synchronization
import Testing

@testable import Tailnet

extension TailnetIdentityTests {
    /// A tailnet that tests change, and that counts what it is asked.
    final class Counting: TailnetSource {
        struct State {
            var nodes: [String: TailnetIdentity] = [:]
            var asked = 0
            var failure: TailnetError?
            var delay = Duration.zero
        }

        let state = Mutex(State())

        func put(_ address: String, key: String, id: String = "n1") {
            state.withLock { $0.nodes[address] = TailnetIdentity(id: id, key: key, addresses: [address]) }
        }

        func whois(_ address: String) async throws(TailnetError) -> TailnetIdentity? {
            // What is answered is how it was when it was asked, as with a slow daemon.
            let (answer, failure, delay) = state.withLock { state in
                state.asked += 1
                return (state.nodes[address], state.failure, state.delay)
            }
            if delay > .zero { try? await Task.sleep(for: delay) }
            if let failure { throw failure }
            return answer
        }

        func identities() async throws(TailnetError) -> [TailnetIdentity] {
            let (nodes, failure) = state.withLock { (Array($0.nodes.values), $0.failure) }
            if let failure { throw failure }
            return nodes
        }

        func own() async throws(TailnetError) -> TailnetIdentity { TailnetIdentity(id: "me") }

        var asked: Int { state.withLock { $0.asked } }
    }

    @Suite("Remembered answers")
    struct CacheTests {
        private let source = Counting()
        private let time = Time()
        private let cache: TailnetCache

        final class Time: Sendable {
            private let milliseconds = Mutex<Int64>(0)
            var now: Int64 { milliseconds.withLock { $0 } }
            func advance(_ by: Int64) { milliseconds.withLock { $0 += by } }
        }

        init() {
            cache = TailnetCache(source, seconds: 5) { [time] in time.now }
            source.put("10.0.0.2", key: "k1")
        }

        @Test("An answer is remembered for its seconds and then asked for again")
        func lifetime() async throws {
            for _ in 0..<3 { #expect(try await cache.whois("10.0.0.2")?.key == "k1") }
            #expect(source.asked == 1)
            source.put("10.0.0.2", key: "k2")
            time.advance(4999)
            #expect(try await cache.whois("10.0.0.2")?.key == "k1")
            time.advance(1)
            #expect(try await cache.whois("10.0.0.2")?.key == "k2")
            #expect(source.asked == 2)
        }

        @Test("An answer is dropped as soon as everybody's list shows another key, or another node, at the address")
        func droppedByKey() async throws {
            _ = try await cache.whois("10.0.0.2")
            _ = try await cache.identities()
            _ = try await cache.whois("10.0.0.2")
            #expect(source.asked == 1)
            source.put("10.0.0.2", key: "k2")
            _ = try await cache.identities()
            #expect(try await cache.whois("10.0.0.2")?.key == "k2")
            source.put("10.0.0.2", key: "k2", id: "n2")
            _ = try await cache.identities()
            #expect(try await cache.whois("10.0.0.2")?.id == "n2")
            #expect(source.asked == 3)
        }

        @Test("A slow answer from before a key changed is not remembered after it")
        func overtaken() async throws {
            source.put("10.0.0.3", key: "x", id: "n3")
            _ = try await cache.whois("10.0.0.3")
            source.state.withLock { $0.delay = .milliseconds(300) }
            let slow = Task { [cache] in try await cache.whois("10.0.0.2") }
            while source.asked < 2 { await Task.yield() }
            source.put("10.0.0.2", key: "k2")
            source.put("10.0.0.3", key: "y", id: "n3")
            _ = try await cache.identities()
            _ = try await slow.value
            source.state.withLock { $0.delay = .zero }
            #expect(try await cache.whois("10.0.0.2")?.key == "k2")
        }

        @Test("An error is thrown to everybody who waited, is never remembered, and never answered with what was known")
        func errors() async throws {
            source.state.withLock { $0.failure = TailnetError("gone") }
            for _ in 0..<3 { await #expect(throws: TailnetError.self) { try await cache.whois("10.0.0.2") } }
            #expect(source.asked == 3)
            source.state.withLock { $0.failure = nil }
            #expect(try await cache.whois("10.0.0.2")?.key == "k1")
            source.state.withLock { $0.failure = TailnetError("gone") }
            #expect(try await cache.whois("10.0.0.2")?.key == "k1", "for its seconds")
            time.advance(5000)
            await #expect(throws: TailnetError.self) { try await cache.whois("10.0.0.2") }
        }

        @Test("A hundred callers at once are one question")
        func oneQuestion() async throws {
            source.state.withLock { $0.delay = .milliseconds(100) }
            let cache = cache
            try await withThrowingTaskGroup(of: String?.self) { group in
                for _ in 0..<100 { group.addTask { try await cache.whois("10.0.0.2")?.key } }
                for try await key in group { #expect(key == "k1") }
            }
            #expect(source.asked == 1)
        }

        @Test("A flood of strange addresses does not become a flood of questions")
        func manyQuestions() async throws {
            source.state.withLock { $0.delay = .milliseconds(300) }
            let cache = cache
            let refused = await withTaskGroup(of: Bool.self) { group in
                for number in 0..<200 {
                    group.addTask {
                        do {
                            _ = try await cache.whois("10.1.0.\(number)")
                            return false
                        } catch {
                            return true
                        }
                    }
                }
                var refused = 0
                for await wasRefused in group where wasRefused { refused += 1 }
                return refused
            }
            #expect(source.asked + refused == 200)
            #expect(source.asked >= 64)
        }

        @Test("That nobody is there is remembered for one second only")
        func absence() async throws {
            #expect(try await cache.whois("10.0.0.9") == nil)
            #expect(try await cache.whois("10.0.0.9") == nil)
            #expect(source.asked == 1)
            source.put("10.0.0.9", key: "k9", id: "n9")
            time.advance(1000)
            #expect(try await cache.whois("10.0.0.9")?.id == "n9")
        }

        @Test("Two ways to write one address are one address")
        func spelling() async throws {
            _ = try await cache.whois("10.0.0.2")
            _ = try await cache.whois("::ffff:10.0.0.2")
            #expect(source.asked == 1)
            #expect(try await cache.whois("nonsense") == nil)
        }
    }
}
