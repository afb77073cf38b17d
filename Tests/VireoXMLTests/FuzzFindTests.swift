// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoCore

@testable import VireoXML

@Suite("What fuzzers found in definitions")
struct FuzzFindTests {
    @Test(
        "What can be read is written, read and written the same",
        arguments: [
            // A command line for QEMU with nothing in it left its namespace behind.
            """
            <domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
              <name>a</name><memory>65536</memory><os><type>hvm</type></os>
              <qemu:commandline>text</qemu:commandline>
            </domain>
            """,
            // A layer without a path was written without a source, which it may not lack.
            """
            <domain type='qemu'><name>a</name><memory>65536</memory><os><type>hvm</type></os><devices>
              <disk type='file'><source file='/a'/><backingStore type='file'><format type='qcow2'/><source/><backingStore/></backingStore>
                <target dev='vda'/></disk>
            </devices></domain>
            """,
            // Shared memory of less than a mebibyte was written as none, and then not at all.
            """
            <domain type='qemu'><name>a</name><memory>65536</memory><os><type>hvm</type></os><devices>
              <shmem name='s'><model type='ivshmem-plain'/><size unit='b'>4</size></shmem>
            </devices></domain>
            """,
        ])
    func roundTrip(text: String) throws {
        guard let reading = try? DomainXML.read(text) else { return }
        let written = DomainXML.write(reading.domain, WriteOptions(secure: true))
        #expect(DomainXML.write(try DomainXML.read(written).domain, WriteOptions(secure: true)) == written)
    }
}
