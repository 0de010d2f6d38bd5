import CanonicalJSON
import Glibc
import MusterSystem
import MusterTestSupport
import RecordedConversations

/// The conversations of a release: together they hold everything that an agent ever asks.
enum Scenes {
    private static let people = """
        operators:
          ada: {keys: [{public_key: "${public:ada}", expires: 2099-01-01T00:00:00Z}]}

        """

    private static let everything = """
        rules:
          - name: everything
            allow: [enroll, tag-node, extend-node, exempt-node, remove-node, upgrade, roll-back, ssh-certificate, revoke]
            who: [ada]
            nodes: ["*"]
            tags: ["*"]
            users: ["*"]

        """

    private static let commands = """
        commands:
          greet:
            argv: [/bin/echo, "{words}"]
            parameters: {words: {type: text, pattern: ".*", list: 4}}
            user: ${account}
          sleep:
            argv: [/bin/sleep, "{seconds}"]
            parameters: {seconds: {type: integer, minimum: 0, maximum: 600}}
            user: ${account}
            timeout_seconds: 600
        rules:
          - {name: nodes, allow: [enroll, tag-node], who: [ada], nodes: ["*"], tags: ["*"]}
          - {name: runs, allow: [run], who: [ada], nodes: ["tag:web"], commands: [greet, sleep]}

        """

    /// By the names of their files.
    static let all: [(name: String, record: @Sendable () async throws -> Void)] = [
        ("upgrades", upgrades), ("approval", approval), ("key-rotation", rotation), ("runs", runs), ("ssh", ssh),
    ]

    /// A token, an upgrade that stays, and one whose check fails so that the version before comes back.
    @Sendable static func upgrades() async throws {
        try await Studio.record("upgrades", Conversation.Setting(policy: people + everything)) { studio in
            try await join(&studio)
            try await release("1.0", &studio, checks: [])
            try await studio.awaitWork("assignments")
            try await studio.heard("/v1/node/report", "\"state\":\"confirmed\"")
            let show = ["rollout", "show", "${rollout-1}"]
            studio.stage.variables["rollout-1"] = try await newest("rollout", studio)
            try await studio.perform(.wait("ada", show, JSONPlace("/state"), "complete"))
            try await release("2.0", &studio, checks: ["--health-command", "/bin/sh -c 'echo no such luck; exit 1'"])
            try await studio.heard("/v1/node/report", "\"state\":\"confirming\"")
            try studio.keepState()
            try await studio.heard("/v1/node/report", "\"state\":\"rolled-back\"")
        }
    }

    /// No token: a code, an approval by an operator, work, and at last the end by `muster node remove`.
    @Sendable static func approval() async throws {
        try await Studio.record("approval", Conversation.Setting(policy: people + everything)) { studio in
            let fleet = Variables.text(studio.stage.variables["fleet"] ?? "")
            let asking = studio
            async let enrolled: Void = asking.enroll(["--fleet", fleet])
            try await studio.awaitCode()
            try await studio.muster("node", "approve", "${code}", "--tag", "web")
            try await enrolled
            try await studio.startAgent()
            try await studio.heard("/v1/node/report")
            await studio.stopAgent()
            try await studio.muster("node", "remove", Studio.node, "--reason", "sold")
            try await studio.startAgent()
            try await studio.heard("/v1/node/", "urn:muster:problem:node-removed", status: 401...401)
        }
    }

    /// A key that is due is replaced.
    @Sendable static func rotation() async throws {
        let setting = Conversation.Setting(policy: people + everything, serviceOptions: ["--node-key-days", "1"])
        try await Studio.record("key-rotation", setting) { studio in
            try await join(&studio)
            await studio.stopAgent()
            try await studio.perform(.age(hours: 19))
            try await studio.startAgent()
            try await studio.heard("/v1/node/key")
            try await studio.heard("/v1/node/report", "\"state\":\"current\"")
        }
    }

    /// A command that ends, one that exits with another status, and one that is cancelled.
    @Sendable static func runs() async throws {
        let policy = try Variables(["account": .string(SSHDFixture.user), "public:ada": "${public:ada}"])
            .fill(people + commands)
        try await Studio.record("runs", Conversation.Setting(policy: policy)) { studio in
            try await join(&studio)
            let asking = ["--on", "tag:web", "--no-wait", "--yes", "--"]
            try await studio.perform(.muster("ada", ["run", "greet"] + asking + ["words=good day"]))
            try await studio.heard("/v1/node/runs/", "\"state\":\"ended\"")
            try await studio.perform(.muster("ada", ["run", "sleep"] + asking + ["seconds=500"]))
            try await studio.heard("/v1/node/runs/", "\"state\":\"started\"")
            studio.stage.variables["run-2"] = try await newest("run", studio)
            try await studio.muster("run", "cancel", "${run-2}", "--reason", "enough")
            try await studio.heard("/v1/node/runs/", "\"state\":\"ended\"")
        }
    }

    /// An agent that looks after sshd: host certificates, trust, revocations, and a login that it saw.
    @Sendable static func ssh() async throws {
        let folder = try TemporaryFolder()
        // The principals command runs as nobody, who must be able to pass.
        chmod(folder.path, 0o711)
        let sshd = try await SSHDFixture(in: folder.file("sshd"))
        let settings = """
            , "ssh": {"on": true, "sshd_config": "\(sshd.configuration)", "log": "\(sshd.logFile)", "check_seconds": 1}
            """
        do {
            try await Studio.record(
                "ssh",
                Conversation.Setting(policy: people + everything),
                agentSettings: settings
            ) { studio in
                chmod(studio.stage.fleet.folder.path, 0o711)
                try await join(&studio)
                try await studio.heard("/v1/node/host-certificate")
                try await studio.heard("/v1/node/report", "\"host_certificates\":[{")
                let line = "Accepted publickey for root from 127.0.0.1 port 40084 ssh2: ED25519-CERT "
                let key = "SHA256:" + String(repeating: "A", count: 43)
                let authority = try await studio.userAuthority()
                let words = line + key + " ID ada@web-1 (serial 77) CA ED25519 " + authority + "\r\n"
                try OpenFile(sshd.logFile, flags: O_WRONLY | O_APPEND).write(Array(words.utf8))
                try await studio.heard("/v1/node/report", "\"serial\":77")
            }
        } catch {
            await sshd.end()
            throw error
        }
        await sshd.end()
    }

    // MARK: - Steps

    /// Joins by a token and reports once.
    private static func join(_ studio: inout Studio) async throws {
        try await studio.perform(.token("ada", tag: "web"))
        try await studio.enrollByToken()
        try await studio.startAgent()
        try await studio.heard("/v1/node/report")
    }

    private static func release(_ version: String, _ studio: inout Studio, checks: [String]) async throws {
        try await studio.perform(.build(name: "muster-probe", version: version))
        let add = ["release", "add", "${package:muster-probe \(version)}", "--passphrase-file", "${passphrase}"]
        try await studio.perform(.muster("ada", add + checks))
        let start = ["rollout", "start", "muster-probe", version, "--on", "tag:web", "--stages", "100%"]
        try await studio.perform(.muster("ada", start + ["--bake", "0s", "--yes"]))
    }

    private static func newest(_ kind: String, _ studio: Studio) async throws -> JSONValue? {
        try await studio.stage.fleet.json([kind, "list"])["items"]?.elements.first?["id"]
    }
}
