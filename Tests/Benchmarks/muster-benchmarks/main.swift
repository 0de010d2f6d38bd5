import Glibc

// Every figure, by the name that `packaging/bench NAME` selects. With no name, all of them.

let arguments = CommandLine.arguments
if arguments.count == 3, arguments[1] == "--verify-stream" {
    try StreamBenchmark.verify(arguments[2])
    exit(0)
}
if arguments.count == 2, arguments[1] == "--rollout-memory" {
    try RolloutBenchmark.printMemory()
    exit(0)
}
if arguments.count == 4, arguments[1] == "--fan-out" {
    exit(try await FanOutBenchmark.logIn(arguments[2], Int(arguments[3]) ?? 8) == 0 ? 0 : 1)
}

let program = try Child.path(ofProcess: getpid())
let binaries = program.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 }
let names = arguments.dropFirst()
let figures: [(String, (String) async throws -> Figure)] = [
    ("stream-1gib", { try StreamBenchmark.figure(in: $0, program: program) }),
    ("targets-10000", { try TargetsBenchmark.figure(in: $0) }),
    ("report-http", { try await ReportBenchmark(folder: $0, binaries: binaries).figure() }),
    ("ssh-principals", { try PrincipalsBenchmark(folder: $0, binaries: binaries).figure() }),
    ("certificates-signed", { _ in try CertificateBenchmark.figure() }),
    ("certificate-http", { try await CertificateHTTPBenchmark(folder: $0, binaries: binaries).figure() }),
    ("krl-100000", { try await RevocationBenchmark(folder: $0, pattern: .sequence).figure() }),
    ("krl-100000-gaps", { try await RevocationBenchmark(folder: $0, pattern: .gaps).figure() }),
    ("run-1000", { try await RunBenchmark(folder: $0, binaries: binaries).reach() }),
    ("waiting-agent", { try await RunBenchmark(folder: $0, binaries: binaries).memory() }),
    ("ssh-fan-out", { try await FanOutBenchmark(folder: $0, program: program).figure() }),
    ("rollout-100000", { _ in try RolloutBenchmark.steps() }),
    ("rollout-100000-memory", { try RolloutBenchmark.memory(in: $0, program: program) }),
    ("agent-footprint", { try await AgentBenchmark(folder: $0, binaries: binaries).figure() }),
]

let unknown = names.filter { name in !figures.contains { $0.0 == name } }
guard unknown.isEmpty else {
    let known = figures.map(\.0).joined(separator: " ")
    print("muster-benchmarks: no figure named \(unknown.joined(separator: " ")); there are \(known)")
    exit(2)
}

for (name, measure) in figures where names.isEmpty || names.contains(name) {
    let folder = try Child.makeFolder()
    defer { Child.removeFolder(folder) }
    try await measure(folder).printLine()
}
