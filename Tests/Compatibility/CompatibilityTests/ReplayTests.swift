import CanonicalJSON
import MusterAPI
import RecordedConversations
import Testing

/// The replayer notices what it is there to notice.
@Suite("Differences between an old answer and a new one")
struct ReplayTests {
    @Test("A place in a document is read as it is written, and stands for many with a star")
    func places() {
        let document: JSONValue = ["a": ["x/y": [1, 2]], "list": [["k": "v"], ["k": "w"]]]
        #expect(JSONPlace("/a/x~1y/1").values(in: document) == [2])
        #expect(JSONPlace("/a/x~1y/1").description == "/a/x~1y/1")
        #expect(JSONPlace("/list/*/k").values(in: document) == ["v", "w"])
        #expect(JSONPlace("/list/*/k").removing(from: document) == ["a": ["x/y": [1, 2]], "list": [[:], [:]]])
        #expect(JSONPlace("/none/0").values(in: document).isEmpty)
    }

    @Test("What an agent reads of an answer is found out by leaving it out")
    func reads() throws {
        let reader = try #require(AgentReader("POST", "/v1/node/session", status: 200))
        let answer: JSONValue = ["token": "t", "expires": 1000, "operator": "", "new": "thing"]
        #expect(
            try reader.members(of: answer) == [JSONPlace("/token"): "a string", JSONPlace("/expires"): "an integer"]
        )
    }

    @Test("An answer lacks what is gone and what is of another kind; what came besides is no matter")
    func differences() {
        let reads = [JSONPlace("/token"): "a string", JSONPlace("/expires"): "an integer"]
        #expect(AgentReader.missing(reads, in: ["token": "t", "expires": 1, "more": [:]]).isEmpty)
        #expect(AgentReader.missing(reads, in: ["token": "t"]) == ["/expires (an integer) is gone"])
        #expect(
            AgentReader.missing(reads, in: ["token": "t", "expires": "soon"])
                == ["/expires was an integer and is a string"]
        )
    }

    @Test("What varies is filled in, numbers as numbers; what nobody said is an error")
    func variables() throws {
        let variables = Variables(["sequence": 7, "session": "abc"])
        #expect(try variables.fill(["s": "${sequence}", "t": "Bearer ${session}"]) == ["s": 7, "t": "Bearer abc"])
        #expect(try variables.fill("after=${sequence}&wait=55") == "after=7&wait=55")
        #expect(throws: Variables.Missing.self) { try variables.fill("${nothing}") }
    }
}
