// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoImage

@Suite("Files")
struct FileTests {
    @Test("A file in memory has holes where nothing but zeros were written")
    func regions() throws {
        let file = MemoryFile([UInt8](repeating: 0, count: 1024) + [1] + [UInt8](repeating: 0, count: 1023))
        #expect(try file.region(at: 0) == FileRegion(isData: false, end: 1024))
        #expect(try file.region(at: 1030) == FileRegion(isData: true, end: 1536))
        #expect(try file.region(at: 4096) == FileRegion(isData: false, end: 4096))
    }

    @Test("A file that fails after two changes keeps those two")
    func faults() throws {
        let file = RecordingFile()
        file.fail(after: 2, with: 28)
        try file.write([1], at: 0)
        try file.flush()
        #expect(throws: ImageError(.noSpace, "could not write: No space left on device", path: "memory", errno: 28)) {
            try file.write([2], at: 1)
        }
        #expect(file.bytes == [1])
        #expect(file.events == [.write(offset: 0, bytes: [1]), .flush])
    }
}
