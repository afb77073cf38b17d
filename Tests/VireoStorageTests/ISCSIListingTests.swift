// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoCore
import VireoModel
import VireoXML

@testable import VireoStorage

@Suite("What libiscsi's programs say")
struct ISCSIListingTests {
    @Test("Targets have the units that are disks, and not their controllers")
    func units() {
        let listing = ISCSIListing(
            """
            Target:iqn.2026-11.example:one Portal:127.0.0.1:3260,1
            Lun:0    Type:STORAGE_ARRAY_CONTROLLER
            Lun:1    Type:DIRECT_ACCESS (Size:31M)
            Lun:12   Type:DIRECT_ACCESS (Size:2G)
            Target:iqn.2026-11.example:two Portal:127.0.0.1:3260,1
            """)
        #expect(listing.targets.map(\.name) == ["iqn.2026-11.example:one", "iqn.2026-11.example:two"])
        #expect(listing.targets.map(\.units) == [[1, 12], []])
    }

    @Test(
        "What makes no sense is left out",
        arguments: ["", "Lun:1 Type:DIRECT_ACCESS", "Target", "Lun:99999999999 Type:DIRECT_ACCESS"])
    func nonsense(text: String) { #expect(ISCSIListing(text).targets.isEmpty) }

    @Test("The size is the total that was said")
    func size() {
        #expect(ISCSIListing.size("LOGICAL BLOCK LENGTH IN BYTES:512\nLBPME:0 LBPRZ:0\nTotal size:33554432\n") == 33_554_432)
        #expect(ISCSIListing.size("Total size:-1") == nil)
        #expect(ISCSIListing.size("") == nil)
    }

    @Test("The number of a unit is in its volume's name")
    func number() {
        #expect(ISCSIUnit.number(inVolume: "unit:0:0:7") == 7)
        #expect(ISCSIUnit.number(inVolume: "unit:0:0:") == nil)
        #expect(ISCSIUnit.number(inVolume: "disk") == nil)
    }
}
