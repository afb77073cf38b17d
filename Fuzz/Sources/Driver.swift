// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import VireoImage
import VireoQMP
import VireoRPC
import VireoXML

/// libFuzzer's loop, which comes with the compiler's runtime.
@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
    _ count: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>,
    _ body: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

/// Where hostile bytes come in: `VIREO_FUZZ_TARGET` names one.
private enum Entry: String {
    case rpc, xml, qmp, qcow2
    /// Formats of images that are only read.
    case vmdk, vhd, vhdx, vdi, appliance, partitions, fat

    func callAsFunction(_ bytes: UnsafeRawBufferPointer) {
        switch self {
        case .rpc: fuzzRPC(bytes)
        case .xml: fuzzXML(bytes)
        case .qmp: fuzzQMP(bytes)
        case .qcow2: fuzzQCOW2(bytes)
        case .vmdk, .vhd, .vhdx, .vdi, .appliance, .partitions, .fat: ImportFuzzing(rawValue: rawValue)?(bytes)
        }
    }
}

private let entry = ProcessInfo.processInfo.environment["VIREO_FUZZ_TARGET"].flatMap(Entry.init(rawValue:))

/// Looked for by the runtime's own `main`, which is linked in but not entered.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    entry?(UnsafeRawBufferPointer(start: bytes, count: count))
    return 0
}

/// The name that SwiftPM gives to the entry point of this program.
@_cdecl("VireoFuzz_main")
public func main(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
    guard entry != nil else {
        print("VIREO_FUZZ_TARGET has to be one of those in Fuzz/run.py")
        return 64
    }
    var (count, arguments) = (count, arguments)
    return runDriver(&count, &arguments, testOneInput)
}
