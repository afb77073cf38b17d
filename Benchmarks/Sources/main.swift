// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

// Times library calls of VireoImage, as a daemon makes them: without the start of a process. Prints seconds, one figure per line.
//
//     vireo-image-bench info IMAGE ROUNDS           looks at every layer of a chain; the best round
//     vireo-image-bench create BASE DIRECTORY N     makes N overlays on an image
//
// Built by `VIREO_BENCH=1 swift build -c release --product vireo-image-bench`; Benchmarks/images.py runs it.

import VireoImage

let arguments = CommandLine.arguments
let clock = ContinuousClock()

func seconds(_ duration: Duration) -> Double {
    Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18
}

do {
    switch (arguments.dropFirst().first, arguments.count) {
    case ("info", 4):
        var best = Duration.seconds(3600)
        let image = OfflineImage(arguments[2], format: .qcow2, policy: .person)
        for _ in 0..<(Int(arguments[3]) ?? 10) {
            best = min(best, try clock.measure { _ = try image.info() })
        }
        print(seconds(best))
    case ("create", 5):
        let base = OfflineImage(arguments[2], format: .qcow2, policy: .person)
        let context = base.context(.read)
        let size = try base.open(layers: 1).virtualSize
        let time = try clock.measure {
            for number in 0..<(Int(arguments[4]) ?? 1000) {
                let new = NewImage(format: .qcow2, size: size, backing: BackingReference(name: base.path, format: .qcow2))
                _ = try new.create(at: "\(arguments[3])/o\(number)", context)
            }
        }
        print(seconds(time))
    default: print("usage: vireo-image-bench info IMAGE ROUNDS | create BASE DIRECTORY N")
    }
} catch {
    print("error: \(error)")
}
