// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoCore
import VireoModel
import VireoXML

@Suite("XML of backups and checkpoints")
struct BackupXMLTests {
    @Test("A backup is read and written again as it was")
    func backup() throws {
        let text = """
            <domainbackup mode='pull'>
              <incremental>c1</incremental>
              <server transport='unix' socket='/run/nbd'/>
              <disks>
                <disk name='vda' backup='yes' type='file' backupmode='incremental' incremental='c1' exportname='disk' exportbitmap='changed' index='4'>
                  <driver type='qcow2'/>
                  <scratch file='/tmp/scratch'/>
                </disk>
                <disk name='vdb' backup='no'/>
              </disks>
            </domainbackup>

            """
        var backup = try DomainXML.readBackup(text)
        #expect(backup.mode == .pull && backup.server == .unix(path: "/run/nbd") && backup.disks?.count == 2)
        backup.disks?[0].index = 4
        #expect(DomainXML.write(backup) == text)
        #expect(try DomainXML.readBackup("<domainbackup/>").disks == nil)
    }

    @Test(
        "What contradicts itself is refused",
        arguments: [
            "<domainbackup mode='pull'/>", "<domainbackup mode='push'><server transport='unix' socket='/x'/></domainbackup>",
            "<domainbackup mode='x'/>", "<domainbackup><disks><disk/></disks></domainbackup>", "<domain/>",
            "<domainbackup mode='pull'><server transport='rdma'/></domainbackup>",
            "<domainbackup><disks><disk name='vda' type='network'/></disks></domainbackup>",
            "<domainbackup><disks><disk name='vda' type='file'><scratch file='/x'/></disk></disks></domainbackup>",
            "<domainbackup><colour/></domainbackup>",
        ])
    func refusals(text: String) {
        #expect(throws: VireoError.self) { try DomainXML.readBackup(text) }
    }

    @Test("libvirt holds each checkpoint against its schema, and so what is unknown in one is refused")
    func schema() throws {
        func code(_ inside: String, isChecked: Bool = true) -> VireoError.Code? {
            let text = "<domaincheckpoint><name>a</name>\(inside)</domaincheckpoint>"
            do {
                _ = try DomainXML.readCheckpoint(text, isRedefinition: false, isChecked: isChecked)
                return nil
            } catch { return error.code }
        }
        #expect(code("<disks><disk name='vda' checkpoint='bitmap' size='7'/></disks><creationTime>1</creationTime>") == nil)
        #expect(code("<colour/>") == .xmlInvalidSchema)
        #expect(code("<disks><disk name='vda' checkpoint='maybe'/></disks>") == .xmlInvalidSchema)
        #expect(code("<colour/>", isChecked: false) == nil)
        let text = "<domaincheckpoint><name>x</name></domaincheckpoint>"
        let error = #expect(throws: VireoError.self) { try DomainXML.readCheckpoint(text, isRedefinition: true) }
        #expect(error?.code == .internalError)
    }

    @Test("A checkpoint keeps its parent, time and bitmaps; a new one takes none of that from the text")
    func checkpoint() throws {
        let text = """
            <domaincheckpoint>
              <name>c2</name>
              <description>second</description>
              <parent>
                <name>c1</name>
              </parent>
              <creationTime>1700000000</creationTime>
              <disks>
                <disk name='vda' checkpoint='bitmap' bitmap='c2' size='65536'/>
                <disk name='sda' checkpoint='no'/>
              </disks>
            </domaincheckpoint>

            """
        let checkpoint = try DomainXML.readCheckpoint(text, isRedefinition: true)
        #expect(DomainXML.write(checkpoint, domain: nil, sizes: ["vda": 65536]) == text)
        let fresh = try DomainXML.readCheckpoint(text, isRedefinition: false)
        #expect(fresh.parent == nil && fresh.createdAt == nil && fresh.name == "c2")
        #expect(throws: VireoError.self) {
            try DomainXML.readCheckpoint("<domaincheckpoint><name>x</name></domaincheckpoint>", isRedefinition: true)
        }
    }

    @Test("The destination of a copy has a source, and may name format and layers")
    func destination() throws {
        let text = "<disk type='file'><source file='/c'/><driver type='raw'/></disk>"
        let destination = try DomainXML.readCopyDestination(text)
        #expect(destination.source.path == "/c" && destination.format == .raw && destination.chain == nil)
        #expect(throws: VireoError.self) { try DomainXML.readCopyDestination("<disk type='file'/>") }
    }
}
