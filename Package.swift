// swift-tools-version: 6.1
// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

let log = Target.Dependency.product(name: "Logging", package: "swift-log")
let system = Target.Dependency.product(name: "SystemPackage", package: "swift-system")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let hummingbird = Target.Dependency.product(name: "HummingbirdCore", package: "hummingbird")
let httpTypes = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
    name: "vireo",
    products: [],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.5.1"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
    ],
    targets: [
        // What Swift cannot say: spawning with descriptors, pidfds, passing descriptors, KVM and terminal ioctls.
        .target(name: "CVireo"),
        .target(name: "VireoCore", dependencies: ["CVireo", log, system]),
        .target(name: "VireoModel", dependencies: ["VireoCore"]),
        .target(name: "VireoXML", dependencies: ["VireoCore", "VireoModel"]),
        .target(name: "VireoRPC", dependencies: ["VireoCore", nioCore], exclude: ["Definition"]),
        .target(name: "VireoQMP", dependencies: ["CVireo", "VireoCore", log, system]),
        .target(name: "VireoStore", dependencies: ["VireoCore", .product(name: "GRDB", package: "GRDB.swift"), log, system]),
        .target(name: "VireoHost", dependencies: ["CVireo", "VireoCore", "VireoModel", "VireoXML", log, system]),
        .target(
            name: "VireoStorage",
            dependencies: ["CVireo", "CVireoImage", "VireoCore", "VireoImage", "VireoModel", "VireoXML"]),
        .target(
            name: "VireoQEMU", dependencies: ["CVireo", "VireoCore", "VireoModel", "VireoQMP", log, system]),
        .target(name: "VireoFilter", dependencies: ["VireoCore", "VireoModel"]),
        .target(name: "VireoNetwork", dependencies: ["CVireo", "VireoCore", "VireoModel", system]),
        .target(
            name: "VireoService",
            dependencies: [
                "CVireo", "VireoCore", "VireoModel", "VireoXML", "VireoStore", "VireoFilter", "VireoHost", "VireoImage",
                "VireoQMP", "VireoQEMU", "VireoNetwork", "VireoStorage", nioCore, nioPosix, crypto, log, system,
            ]),
        .target(
            name: "VireoLibvirt",
            dependencies: [
                "CVireo", "VireoCore", "VireoModel", "VireoXML", "VireoRPC", "VireoHost", "VireoNetwork", "VireoQEMU",
                "VireoService", "VireoStorage", nioCore, nioPosix,
                .product(name: "NIOSSL", package: "swift-nio-ssl"), .product(name: "NIOTLS", package: "swift-nio"), log, system,
            ]),
        .target(
            name: "VireoHTTP",
            dependencies: [
                "CVireo", "VireoCore", "VireoModel", "VireoXML", "VireoHost", "VireoImage", "VireoNetwork", "VireoQEMU",
                "VireoService",
                "VireoStorage",
                hummingbird, httpTypes, nioCore, nioPosix, .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOWebSocket", package: "swift-nio"),
                .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
                .product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras"), log, system,
            ]),
        .executableTarget(
            name: "vireod",
            dependencies: [
                "CVireo", "VireoCore", "VireoModel", "VireoXML", "VireoHost", "VireoQEMU", "VireoStore", "VireoImage",
                "VireoService", "VireoLibvirt", "VireoHTTP", argumentParser, nioCore, nioPosix, log, system,
            ]),
        // Calls on files, a jail, and libdeflate, ISA-L's igzip, zstd and libext2fs as the system has them.
        .target(
            name: "CVireoImage",
            linkerSettings: [
                .linkedLibrary("deflate"), .linkedLibrary("isal"), .linkedLibrary("zstd"), .linkedLibrary("ext2fs"),
                .linkedLibrary("com_err"),
            ]),
        .target(name: "VireoImage", dependencies: ["CVireoImage", "VireoCore", crypto], exclude: ["README.md"]),
        .executableTarget(
            name: "vireo",
            dependencies: [
                "CVireo", "VireoCore", "VireoImage", argumentParser, nioCore, nioPosix,
                .product(name: "NIOHTTP1", package: "swift-nio"), .product(name: "NIOWebSocket", package: "swift-nio"), system,
            ]),
        .testTarget(name: "VireoCoreTests", dependencies: ["VireoCore", "CVireo", system]),
        .testTarget(name: "VireoXMLTests", dependencies: ["VireoXML", "VireoModel", "VireoCore"], resources: [.copy("Golden")]),
        .testTarget(name: "VireoRPCTests", dependencies: ["VireoRPC", "VireoCore", nioCore], resources: [.copy("Vectors")]),
        .testTarget(name: "VireoQMPTests", dependencies: ["VireoQMP", "VireoCore", "CVireo", system]),
        .testTarget(
            name: "VireoQEMUTests",
            dependencies: ["VireoQEMU", "VireoQMP", "VireoXML", "VireoModel", "VireoCore", "CVireo", system],
            resources: [.copy("Golden")]),
        .testTarget(name: "VireoImageTests", dependencies: ["VireoImage", "VireoCore"]),
        .testTarget(name: "VireoNetworkTests", dependencies: ["VireoNetwork", "VireoXML", "VireoModel", "VireoCore", system]),
        .testTarget(name: "VireoStoreTests", dependencies: ["VireoStore", "VireoCore", system]),
        .testTarget(name: "VireoFilterTests", dependencies: ["VireoFilter", "VireoModel", "VireoXML", "VireoCore"]),
        .testTarget(name: "VireoHostTests", dependencies: ["VireoHost", "VireoModel", "VireoXML", "VireoCore", system]),
        .testTarget(
            name: "VireoStorageTests",
            dependencies: ["VireoStorage", "VireoImage", "VireoModel", "VireoXML", "VireoCore"], resources: [.copy("Golden")]),
        .testTarget(
            name: "VireoServiceTests",
            dependencies: [
                "VireoService", "VireoImage", "VireoStore", "VireoQEMU", "VireoQMP", "VireoXML", "VireoModel", "VireoCore",
                system,
            ]),
        .testTarget(
            name: "VireoLibvirtTests",
            dependencies: ["CVireo", "VireoLibvirt", "VireoRPC", "VireoService", "VireoCore", log, nioCore, nioPosix, system]),
        .testTarget(
            name: "VireoHTTPTests",
            dependencies: ["VireoHTTP", "VireoService", "VireoXML", "VireoModel", "VireoCore", httpTypes, log, system]),
        .testTarget(name: "vireoTests", dependencies: ["vireo", "VireoCore", argumentParser, system]),
    ],
    swiftLanguageModes: [.v6]
)

// The fuzzers are there for `make fuzz` only: they need libFuzzer's runtime and its entry point.
if Context.environment["VIREO_FUZZ"] != nil {
    package.targets.append(
        .executableTarget(
            name: "VireoFuzz", dependencies: ["VireoImage", "VireoQMP", "VireoRPC", "VireoXML"], path: "Fuzz/Sources",
            swiftSettings: [.unsafeFlags(["-parse-as-library"])], linkerSettings: [.unsafeFlags(["-sanitize=fuzzer,address"])]))
}

// Times library calls, for `make benchimages` only.
if Context.environment["VIREO_BENCH"] != nil {
    package.targets.append(
        .executableTarget(name: "vireo-image-bench", dependencies: ["VireoImage"], path: "Benchmarks/Sources"))
}

let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]
for target in package.targets where target.type != .plugin && target.type != .system {
    target.swiftSettings = (target.swiftSettings ?? []) + strict
}
