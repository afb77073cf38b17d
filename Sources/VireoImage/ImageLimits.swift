// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// What an image may cost before it is refused. Each bound is checked before anything of that size is allocated.
package struct ImageLimits: Hashable, Sendable {
    /// Layers of one backing chain, the top one included.
    package var chainLayers = 512
    /// Bytes of one header with its extensions, of a descriptor, of a table of names.
    package var headerBytes = 4 << 20
    /// Bytes of a table that is kept in memory as a whole: QCOW_MAX_L1_SIZE of QEMU.
    package var tableBytes = 32 << 20
    /// Bytes of the cache of second-level tables (and tables of refcounts) of one open image.
    package var cacheBytes = 16 << 20
    /// Bytes for the counts of clusters of a check, which walks the tables several times where they do not do.
    package var countBytes = 16 << 20
    /// Bytes for the counts of clusters of a repair or a change of snapshots, which are refused where they do not do.
    package var changeBytes = 40 << 20
    /// Internal snapshots: QCOW_MAX_SNAPSHOTS of QEMU.
    package var snapshots = 65536
    /// Bytes of the whole snapshot table: QCOW_MAX_SNAPSHOTS_SIZE of QEMU divided by 64, which is 16 MiB.
    package var snapshotTableBytes = 16 << 20
    /// Persistent bitmaps: QCOW2_MAX_BITMAPS of QEMU.
    package var bitmaps = 65535
    /// Files that one image may consist of, as the extents of a split VMDK.
    package var extentFiles = 1024

    package init() {}
}
