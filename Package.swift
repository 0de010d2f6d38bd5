// swift-tools-version: 6.2

import PackageDescription

// MARK: - Layers

/// Folders under `Sources/` are layers.
///
/// A module may depend on its own layer and on those below it, never upward:
/// `fatalError` below refuses the manifest otherwise, so the direction cannot be lost by accident.
enum Layer: Int {
    case formats = 1
    case core
    case adapters
    case services
    case tools

    var folder: String { ["", "Formats", "Core", "Adapters", "Services", "Tools"][rawValue] }
}

struct Module {
    let name: String
    let layer: Layer
    let uses: [String]
    let libraries: [Target.Dependency]
}

/// A module in the given layer; `uses` names our own modules and shims, `libraries` products of other packages.
func module(_ name: String, _ layer: Layer, uses: [String] = [], libraries: [Target.Dependency] = []) -> Module {
    Module(name: name, layer: layer, uses: uses, libraries: libraries)
}

// MARK: - Products of other packages, each with the reason it is here

/// Hashing, ECDSA P-256, RSA-PSS: 1.5 GB/s of SHA-256, seven times libsodium's.
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let cryptoExtras: Target.Dependency = .product(name: "CryptoExtras", package: "swift-crypto")
let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
/// Ordered start and graceful shutdown of long-running parts.
let lifecycle: Target.Dependency = .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
/// Signals as a sequence; all that the agent, which is one part, needs of that package.
let signals: Target.Dependency = .product(name: "UnixSignals", package: "swift-service-lifecycle")
let hummingbird: Target.Dependency = .product(name: "Hummingbird", package: "hummingbird")
let hummingbirdTLS: Target.Dependency = .product(name: "HummingbirdTLS", package: "hummingbird")
let asyncHTTPClient: Target.Dependency = .product(name: "AsyncHTTPClient", package: "async-http-client")
let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let nioHTTP1: Target.Dependency = .product(name: "NIOHTTP1", package: "swift-nio")
let nioSSL: Target.Dependency = .product(name: "NIOSSL", package: "swift-nio-ssl")
let httpTypes: Target.Dependency = .product(name: "HTTPTypes", package: "swift-http-types")
/// SQLite connection pool and statement cache; the SQL is ours.
let grdb: Target.Dependency = .product(name: "GRDB", package: "GRDB.swift")
let yams: Target.Dependency = .product(name: "Yams", package: "Yams")

// MARK: - Modules

let modules: [Module] = [
    // Formats: bytes in, values out. No I/O, clock, randomness, logging, environment or async.
    module("ByteCoding", .formats),
    module("CanonicalJSON", .formats, uses: ["ByteCoding"]),
    module("SignatureVerification", .formats, uses: ["ByteCoding", "CSodium"], libraries: [crypto, cryptoExtras]),
    module("TUF", .formats, uses: ["ByteCoding", "CanonicalJSON", "SignatureVerification"]),
    module("OpenSSHFormats", .formats, uses: ["ByteCoding", "SignatureVerification"]),
    module("DebianPackage", .formats, uses: ["ByteCoding"]),
    module("RPMPackage", .formats, uses: ["ByteCoding"]),
    module("VersionedTarball", .formats),

    // Core: decisions. Pure like Formats; time and random bytes are arguments.
    module(
        "MusterModel",
        .core,
        uses: [
            "ByteCoding", "CanonicalJSON", "SignatureVerification", "TUF", "OpenSSHFormats", "DebianPackage",
            "RPMPackage", "VersionedTarball",
        ]
    ),
    module("TUFTrust", .core, uses: ["ByteCoding", "CanonicalJSON", "SignatureVerification", "TUF"]),
    module("MusterPolicy", .core, uses: ["ByteCoding", "CanonicalJSON", "OpenSSHFormats", "MusterModel"]),
    module(
        "MusterTrust",
        .core,
        uses: [
            "ByteCoding", "CanonicalJSON", "SignatureVerification", "TUF", "OpenSSHFormats", "MusterModel", "TUFTrust",
            "MusterPolicy",
        ]
    ),
    module(
        "MusterRollout",
        .core,
        uses: ["ByteCoding", "CanonicalJSON", "MusterModel"]
    ),
    module("MusterSelection", .core, uses: ["ByteCoding", "DebianPackage", "MusterModel"]),
    module("MusterRun", .core, uses: ["ByteCoding", "CanonicalJSON", "MusterModel"]),
    module("MusterIdentity", .core, uses: ["ByteCoding", "CanonicalJSON", "SignatureVerification", "MusterModel"]),
    module(
        "MusterCA",
        .core,
        uses: ["ByteCoding", "CanonicalJSON", "OpenSSHFormats", "MusterModel", "MusterPolicy"]
    ),
    module("MusterAPI", .core, uses: ["ByteCoding", "CanonicalJSON", "MusterModel"]),

    // Adapters: the outside world, one library or one system each.
    module("MusterSystem", .adapters, uses: ["ByteCoding", "CLinux"]),
    module("MusterLog", .adapters, uses: ["ByteCoding"], libraries: [logging]),
    module("MusterKeys", .adapters, uses: ["ByteCoding", "SignatureVerification", "MusterSystem", "CSodium"]),
    module(
        "MusterSigners",
        .adapters,
        uses: [
            "ByteCoding", "CanonicalJSON", "SignatureVerification", "OpenSSHFormats", "MusterSystem", "MusterKeys",
            "CSodium",
        ]
    ),
    module(
        "PackageInstaller",
        .adapters,
        uses: [
            "ByteCoding", "SignatureVerification", "DebianPackage", "RPMPackage", "VersionedTarball", "MusterModel",
            "MusterSystem", "CLibArchive",
        ]
    ),
    module(
        "MusterClient",
        .adapters,
        uses: ["ByteCoding", "CanonicalJSON", "MusterModel", "MusterAPI", "MusterSystem"],
        libraries: [asyncHTTPClient, nioCore, nioPosix, nioHTTP1, nioSSL, logging]
    ),
    module(
        "TUFClient",
        .adapters,
        uses: ["ByteCoding", "CanonicalJSON", "SignatureVerification", "TUF", "TUFTrust", "MusterSystem"],
        libraries: [asyncHTTPClient, nioCore, nioHTTP1]
    ),
    module(
        "NoticeDelivery",
        .adapters,
        uses: [
            "ByteCoding", "CanonicalJSON", "SignatureVerification", "MusterIdentity", "MusterSystem", "MusterKeys",
            "MusterClient",
        ]
    ),
    module(
        "RemoteShell",
        .adapters,
        uses: ["ByteCoding", "OpenSSHFormats", "MusterSystem", "MusterKeys", "CSodium", "CLibSSH"]
    ),
    module("Tailnet", .adapters, uses: ["ByteCoding", "CanonicalJSON", "MusterSystem"]),
    module(
        "MusterStore",
        .adapters,
        uses: [
            "ByteCoding", "CanonicalJSON", "SignatureVerification", "MusterModel", "MusterIdentity", "MusterSystem",
        ],
        libraries: [grdb]
    ),

    // Services: use cases of the three programs.
    module(
        "MusterServer",
        .services,
        uses: [
            "ByteCoding", "CanonicalJSON", "SignatureVerification", "TUF", "OpenSSHFormats", "MusterModel", "TUFTrust",
            "MusterPolicy", "MusterTrust", "MusterCA", "MusterRollout", "MusterRun", "MusterIdentity", "MusterAPI",
            "MusterSystem", "MusterLog", "MusterKeys", "MusterSigners", "Tailnet", "MusterStore", "NoticeDelivery",
        ],
        libraries: [
            hummingbird, hummingbirdTLS, nioCore, nioPosix, nioSSL, httpTypes, lifecycle, logging, argumentParser,
        ]
    ),
    module(
        "MusterAgent",
        .services,
        uses: [
            "ByteCoding", "CanonicalJSON", "SignatureVerification", "TUF", "OpenSSHFormats", "DebianPackage",
            "MusterModel", "TUFTrust", "MusterPolicy", "MusterTrust", "MusterIdentity", "MusterAPI", "MusterSystem",
            "MusterLog", "MusterKeys", "PackageInstaller", "MusterClient", "TUFClient",
        ],
        libraries: [signals, logging, argumentParser]
    ),
    module(
        "MusterCommands",
        .services,
        uses: [
            "ByteCoding", "CanonicalJSON", "SignatureVerification", "TUF", "OpenSSHFormats", "DebianPackage",
            "MusterModel", "TUFTrust", "MusterPolicy", "MusterTrust", "MusterIdentity", "MusterCA", "MusterSelection",
            "MusterAPI", "MusterSystem", "MusterKeys", "MusterSigners", "PackageInstaller", "MusterClient", "TUFClient",
            "RemoteShell",
        ],
        libraries: [yams, argumentParser]
    ),

    // Tools: about 20 lines each.
    module("musterd", .tools, uses: ["MusterServer"]),
    module("muster-agent", .tools, uses: ["MusterAgent"]),
    module("muster", .tools, uses: ["MusterCommands"]),
    module(
        "tuf-client",
        .tools,
        uses: ["TUFClient", "MusterSystem", "ByteCoding"],
        libraries: [argumentParser]
    ),
]

/// C libraries of Debian and single system calls, below every layer.
let shims: Set<String> = ["CSodium", "CLibArchive", "CLibSSH", "CLinux"]

/// What a program must stay free of, and why.
///
/// Checked over everything the program depends on, not only directly.
let forbidden: [(program: String, what: [String], reason: String)] = [
    ("muster-agent", ["MusterStore", "GRDB"], "a node keeps no database: its state is files replaced atomically"),
    ("muster-agent", ["MusterServer", "Hummingbird"], "a node serves nothing: no HTTP server belongs on it"),
    (
        "muster-agent", ["ServiceLifecycle"],
        "a node runs one service; AsyncAlgorithms behind it is 1.2 MB on every node"
    ),
    ("muster-agent", ["MusterSigners", "MusterCommands"], "a node holds no key but its own and signs for nobody"),
    (
        "muster-agent", ["RemoteShell", "CLibSSH"],
        "a node lets others in by its own sshd and logs in nowhere: it needs no SSH client, nor a key for one"
    ),
    ("musterd", ["RemoteShell", "CLibSSH"], "the service starts nothing on a node: it has no way to log in on one"),
    ("muster-agent", ["Yams"], "a node reads canonical JSON only, and full Foundation would double its size"),
    ("tuf-client", ["MusterSigners", "MusterStore"], "it verifies; it never signs and keeps no register"),
]

// MARK: - The rules

func productName(_ dependency: Target.Dependency) -> String {
    if case .productItem(let name, _, _, _) = dependency { return name }
    return ""
}

let modulesByName = Dictionary(uniqueKeysWithValues: modules.map { ($0.name, $0) })

for module in modules {
    for name in module.uses where !shims.contains(name) {
        guard let used = modulesByName[name] else { fatalError("\(module.name) uses \(name), which is not declared") }
        guard used.layer.rawValue <= module.layer.rawValue else {
            fatalError("\(module.name) (\(module.layer)) may not depend upward on \(name) (\(used.layer))")
        }
    }
}

func everything(under name: String) -> Set<String> {
    guard let module = modulesByName[name] else { return [name] }
    return module.uses.reduce(into: Set(module.libraries.map(productName)).union([name])) {
        $0.formUnion(everything(under: $1))
    }
}

for rule in forbidden {
    for name in everything(under: rule.program).intersection(rule.what).sorted() {
        fatalError("\(rule.program) must stay free of \(name): \(rule.reason)")
    }
}

// MARK: - Targets

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

func target(_ module: Module) -> Target {
    let dependencies = module.uses.map { Target.Dependency.byName(name: $0) } + module.libraries
    let path = "Sources/\(module.layer.folder)/\(module.name)"
    guard module.layer == .tools else {
        return .target(name: module.name, dependencies: dependencies, path: path, swiftSettings: settings)
    }
    return .executableTarget(name: module.name, dependencies: dependencies, path: path, swiftSettings: settings)
}

/// The tests of one module, beside its layer: `Tests/<Layer>/<Module>Tests`.
func tests(_ name: String, uses: [String] = [], libraries: [Target.Dependency] = []) -> Target {
    guard let module = modulesByName[name] else { fatalError("tests of \(name), which is not declared") }
    let dependencies = ([name, "MusterTestSupport"] + uses).map { Target.Dependency.byName(name: $0) } + libraries
    return .testTarget(
        name: "\(name)Tests",
        dependencies: dependencies,
        path: "Tests/\(module.layer.folder)/\(name)Tests",
        swiftSettings: settings
    )
}

let systemLibraries: [Target] = [
    .systemLibrary(
        name: "CSodium",
        path: "Sources/Shims/CSodium",
        pkgConfig: "libsodium",
        providers: [.apt(["libsodium-dev"])]
    ),
    .systemLibrary(
        name: "CLibSSH",
        path: "Sources/Shims/CLibSSH",
        pkgConfig: "libssh",
        providers: [.apt(["libssh-dev"])]
    ),
    // Loaded at run time, only while an archive is read: see its header.
    .target(name: "CLibArchive", path: "Sources/Shims/CLibArchive"),
    .target(name: "CLinux", path: "Sources/Shims/CLinux"),
]

let benchmarks: Target = .executableTarget(
    name: "muster-benchmarks",
    dependencies: [
        "ByteCoding", "CanonicalJSON", "SignatureVerification", "TUF", "TUFTrust", "MusterModel", "MusterAPI",
        "MusterSystem", "MusterClient", "MusterTestSupport", "AgentSwarm", "OpenSSHFormats", "MusterPolicy", "MusterCA",
        "MusterKeys", "MusterRollout", "RemoteShell", "CSodium", nioCore, nioPosix,
    ],
    path: "Tests/Benchmarks/muster-benchmarks",
    swiftSettings: settings
)

let testTargets: [Target] = [
    benchmarks,
    .target(
        name: "MusterTestSupport",
        dependencies: [
            "ByteCoding", "CanonicalJSON", "SignatureVerification", "TUF", "OpenSSHFormats", "MusterModel", "CSodium",
            "CLinux", "MusterSystem", nioCore, nioPosix, nioHTTP1,
        ],
        path: "Tests/Support/MusterTestSupport",
        swiftSettings: settings
    ),
    .testTarget(
        name: "EndToEndUpgradeTests",
        dependencies: ["CanonicalJSON", "MusterTestSupport", "musterd", "muster", "muster-agent"],
        path: "Tests/Integration/EndToEndUpgradeTests",
        swiftSettings: settings
    ),
    .testTarget(
        name: "TailnetMeshTests",
        dependencies: [
            "ByteCoding", "CanonicalJSON", "MusterModel", "MusterAPI", "MusterSystem", "MusterKeys",
            "MusterTestSupport", "musterd", "muster", "muster-agent",
        ],
        path: "Tests/Integration/TailnetMeshTests",
        swiftSettings: settings
    ),
    .testTarget(
        name: "OpenSSHAgreementTests",
        dependencies: [
            "ByteCoding", "SignatureVerification", "OpenSSHFormats", "MusterSystem", "MusterTestSupport", crypto,
        ],
        path: "Tests/Integration/OpenSSHAgreementTests",
        swiftSettings: settings
    ),
    .testTarget(
        name: "KeyLifecycleTests",
        dependencies: [
            "ByteCoding", "CanonicalJSON", "MusterStore", "MusterTestSupport", "musterd", "muster", "muster-agent",
        ],
        path: "Tests/Integration/KeyLifecycleTests",
        swiftSettings: settings
    ),
    .testTarget(
        name: "SelfUpgradeTests",
        dependencies: [
            "CanonicalJSON", "OpenSSHFormats", "MusterSystem", "PackageInstaller", "MusterTestSupport", "musterd",
            "muster",
            "muster-agent",
        ],
        path: "Tests/Integration/SelfUpgradeTests",
        swiftSettings: settings
    ),
    .testTarget(
        name: "HostileServiceTests",
        dependencies: [
            "ByteCoding", "CanonicalJSON", "SignatureVerification", "TUF", "MusterModel", "MusterAPI", "MusterSystem",
            "MusterKeys", "MusterTestSupport", "muster-agent",
        ],
        path: "Tests/Integration/HostileServiceTests",
        swiftSettings: settings
    ),
    .testTarget(
        name: "SSHDIntegrationTests",
        dependencies: [
            "ByteCoding", "CanonicalJSON", "SignatureVerification", "OpenSSHFormats", "MusterModel", "MusterPolicy",
            "MusterAPI", "MusterSystem", "TUFClient", "MusterAgent", "AgentTestSupport", "MusterTestSupport",
            "muster-agent", logging,
        ],
        path: "Tests/Integration/SSHDIntegrationTests",
        swiftSettings: settings
    ),
    .testTarget(
        name: "ApprovedRunTests",
        dependencies: ["CanonicalJSON", "MusterSystem", "MusterTestSupport", "musterd", "muster", "muster-agent"],
        path: "Tests/Integration/ApprovedRunTests",
        swiftSettings: settings
    ),
    .testTarget(
        name: "MusterSSHTests",
        dependencies: [
            "CLinux", "CanonicalJSON", "MusterSystem", "MusterTestSupport", "musterd", "muster", "muster-agent",
        ],
        path: "Tests/Integration/MusterSSHTests",
        swiftSettings: settings
    ),
    .testTarget(
        name: "PackagingTests",
        dependencies: ["MusterModel", "MusterSystem", "MusterTestSupport", "musterd", "muster", "muster-agent"],
        path: "Tests/Integration/PackagingTests",
        swiftSettings: settings
    ),
    .testTarget(
        name: "LiveSessionUpgradeTests",
        dependencies: [
            "CLinux", "CanonicalJSON", "MusterSystem", "MusterTestSupport", "musterd", "muster", "muster-agent",
        ],
        path: "Tests/Integration/LiveSessionUpgradeTests",
        swiftSettings: settings
    ),
    .testTarget(
        name: "SSHFanOutTests",
        dependencies: [
            "ByteCoding", "OpenSSHFormats", "MusterModel", "MusterSystem", "MusterKeys", "RemoteShell",
            "MusterTestSupport", nioCore, nioPosix,
        ],
        path: "Tests/Integration/SSHFanOutTests",
        swiftSettings: settings
    ),
    .target(
        name: "AgentTestSupport",
        dependencies: [
            "ByteCoding", "CanonicalJSON", "TUF", "MusterModel", "MusterAPI", "MusterSystem", "MusterKeys",
            "MusterClient", "TUFClient", "PackageInstaller", "MusterAgent", logging,
        ],
        path: "Tests/Support/AgentTestSupport",
        swiftSettings: settings
    ),
    .target(
        name: "AgentSwarm",
        dependencies: [
            "ByteCoding", "CanonicalJSON", "SignatureVerification", "TUF", "MusterModel", "MusterAPI", "MusterSystem",
            "MusterKeys", "MusterSigners", "MusterClient", "MusterTestSupport",
        ],
        path: "Tests/Support/AgentSwarm",
        swiftSettings: settings
    ),
    .testTarget(
        name: "ThousandAgentsTests",
        dependencies: [
            "AgentSwarm", "MusterModel", "MusterAPI", "MusterClient", "MusterSystem", "MusterTestSupport", "musterd",
        ],
        path: "Tests/Integration/ThousandAgentsTests",
        swiftSettings: settings
    ),
    .target(
        name: "RecordedConversations",
        dependencies: [
            "ByteCoding", "CanonicalJSON", "SignatureVerification", "TUF", "MusterModel", "MusterPolicy", "MusterAPI",
            "MusterSystem", "MusterClient", "MusterStore", "MusterTestSupport",
        ],
        path: "Tests/Support/RecordedConversations",
        swiftSettings: settings
    ),
    .executableTarget(
        name: "record-conversation",
        dependencies: [
            "ByteCoding", "CanonicalJSON", "SignatureVerification", "MusterSystem", "MusterClient", "MusterTestSupport",
            "RecordedConversations", "musterd", "muster", "muster-agent",
        ],
        path: "Tests/Support/record-conversation",
        swiftSettings: settings
    ),
    .testTarget(
        name: "CompatibilityTests",
        dependencies: [
            "ByteCoding", "CanonicalJSON", "MusterModel", "MusterAPI", "MusterPolicy", "MusterSystem",
            "RecordedConversations", "MusterTestSupport", "musterd", "muster", "muster-agent",
        ],
        path: "Tests/Compatibility/CompatibilityTests",
        swiftSettings: settings
    ),
    .executableTarget(
        name: "muster-agent-crashing",
        dependencies: ["AgentTestSupport", "ByteCoding", "MusterAgent", "MusterClient", "MusterSystem", logging],
        path: "Tests/Support/muster-agent-crashing",
        swiftSettings: settings
    ),
    tests("ByteCoding"),
    tests("CanonicalJSON"),
    tests("TUF", uses: ["ByteCoding", "CanonicalJSON"]),
    tests(
        "TUFClient",
        uses: ["ByteCoding", "CanonicalJSON", "SignatureVerification", "TUF", "TUFTrust", "MusterSystem", "tuf-client"]
    ),
    tests(
        "MusterCommands",
        uses: [
            "ByteCoding", "CanonicalJSON", "SignatureVerification", "TUF", "TUFTrust", "OpenSSHFormats", "MusterModel",
            "MusterPolicy", "MusterAPI", "MusterSystem", "MusterKeys", "MusterSigners", "MusterClient", "musterd",
        ]
    ),
    tests("Tailnet", uses: ["ByteCoding", "CanonicalJSON", "MusterSystem"]),
    tests("MusterClient", uses: ["CanonicalJSON", "MusterAPI", "MusterModel"]),
    tests("TUFTrust", uses: ["ByteCoding", "CanonicalJSON", "SignatureVerification", "TUF"]),
    tests(
        "MusterStore",
        uses: ["ByteCoding", "CanonicalJSON", "SignatureVerification", "MusterModel", "MusterIdentity"]
    ),
    tests(
        "MusterServer",
        uses: [
            "ByteCoding", "CanonicalJSON", "SignatureVerification", "TUF", "TUFTrust", "OpenSSHFormats", "MusterModel",
            "MusterPolicy", "MusterTrust", "MusterAPI", "MusterSystem", "MusterKeys", "MusterSigners", "MusterStore",
            "MusterIdentity", "MusterClient", "NoticeDelivery", "Tailnet", "musterd", "muster-agent", "muster",
            "muster-agent-crashing",
        ],
        libraries: [logging, lifecycle]
    ),
    tests(
        "NoticeDelivery",
        uses: ["ByteCoding", "CanonicalJSON", "MusterIdentity", "MusterKeys", "MusterSystem"]
    ),
    tests("MusterSelection", uses: ["ByteCoding", "MusterModel"]),
    tests("MusterIdentity", uses: ["ByteCoding", "CanonicalJSON"]),
    tests("MusterRollout", uses: ["ByteCoding", "CanonicalJSON", "MusterModel"]),
    tests("MusterRun", uses: ["ByteCoding", "CanonicalJSON", "MusterModel"]),
    tests("DebianPackage", uses: ["MusterSystem"]),
    tests("RPMPackage", uses: ["ByteCoding", "MusterSystem"]),
    tests("VersionedTarball"),
    tests("MusterSystem"),
    tests("MusterLog", libraries: [logging]),
    tests(
        "MusterAgent",
        uses: [
            "AgentTestSupport", "muster-agent-crashing", "ByteCoding", "CanonicalJSON", "SignatureVerification",
            "MusterModel", "MusterAPI", "MusterSystem", "MusterKeys", "MusterClient", "OpenSSHFormats",
            "PackageInstaller", "TUFClient",
        ],
        libraries: [logging]
    ),
    tests(
        "PackageInstaller",
        uses: ["ByteCoding", "SignatureVerification", "DebianPackage", "RPMPackage", "MusterModel", "MusterSystem"]
    ),
    tests("SignatureVerification", uses: ["ByteCoding"], libraries: [crypto, cryptoExtras]),
    tests("OpenSSHFormats", uses: ["ByteCoding", "SignatureVerification"], libraries: [crypto]),
    tests("MusterKeys", uses: ["ByteCoding", "MusterSystem", "SignatureVerification"]),
    tests(
        "MusterSigners",
        uses: [
            "ByteCoding", "CanonicalJSON", "MusterKeys", "MusterSystem", "OpenSSHFormats", "SignatureVerification",
            "TUF",
        ]
    ),
    tests(
        "MusterCA",
        uses: [
            "ByteCoding", "CanonicalJSON", "MusterModel", "MusterPolicy", "MusterTrust", "OpenSSHFormats",
            "SignatureVerification",
        ]
    ),
    tests("MusterModel", uses: ["ByteCoding", "CanonicalJSON", "OpenSSHFormats"]),
    tests("MusterPolicy", uses: ["ByteCoding", "CanonicalJSON", "MusterModel", "OpenSSHFormats"]),
    tests(
        "MusterTrust",
        uses: [
            "ByteCoding", "CanonicalJSON", "DebianPackage", "VersionedTarball", "MusterModel", "MusterPolicy",
            "OpenSSHFormats", "SignatureVerification", "TUF", "TUFTrust",
        ]
    ),
]

let package = Package(
    name: "muster",
    products: [
        .executable(name: "musterd", targets: ["musterd"]),
        .executable(name: "muster-agent", targets: ["muster-agent"]),
        .executable(name: "muster", targets: ["muster"]),
        .executable(name: "tuf-client", targets: ["tuf-client"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-crypto.git", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log.git", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl.git", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-http-types.git", from: "1.8.0", traits: []),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.13.0"),
        .package(url: "https://github.com/swift-server/async-http-client.git", from: "1.37.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird.git", from: "2.28.1", traits: []),
        .package(url: "https://github.com/groue/GRDB.swift.git", from: "7.10.0"),
        .package(url: "https://github.com/jpsim/Yams.git", from: "6.2.2"),
    ],
    targets: systemLibraries + modules.map(target) + testTargets
)
