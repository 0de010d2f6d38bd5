import ByteCoding
import MusterModel
import Testing

@testable import MusterStore

@Suite("Reports written in groups")
struct GroupedWriterTests {
    @Test("A thousand reports at once share a few commits, and each is there when its writer is told so")
    func groups() async throws {
        let fixture = StoreFixture()
        defer { fixture.remove() }
        let store = try await fixture.openWithNodes(1000)
        let nodes = try await store.read { try $0.nodes().map(\.id) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for node in nodes {
                group.addTask { [now = fixture.now] in
                    try await store.grouped.write {
                        try $0.putReport(node: node, received: now, body: Array("{\"n\":\"\(node)\"}".utf8))
                    }
                }
            }
            try await group.waitForAll()
        }
        let reports = try await store.read { try $0.reports() }
        #expect(reports.count == 1000)
        #expect(reports.allSatisfy { $0.body == Array("{\"n\":\"\($0.node)\"}".utf8) })
        #expect(store.grouped.commits < 500)
    }

    @Test("A report that cannot be written fails alone")
    func failures() async throws {
        let fixture = StoreFixture()
        defer { fixture.remove() }
        let store = try await fixture.openWithNodes(10)
        let nodes = try await store.read { try $0.nodes().map(\.id) } + [NodeID("nobody")].compactMap(\.self)
        let written = await withTaskGroup(of: Bool.self) { group in
            for node in nodes {
                group.addTask { [now = fixture.now] in
                    do {
                        try await store.grouped.write {
                            try $0.putReport(node: node, received: now, body: [0x7B, 0x7D])
                        }
                        return true
                    } catch {
                        return false
                    }
                }
            }
            var count = 0
            for await success in group where success { count += 1 }
            return count
        }
        #expect(written == 10)
    }
}
