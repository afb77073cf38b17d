// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// The table of all operations; the OpenAPI document is made from it.
package enum Routes {
    package static let all: [Route] =
        HostRoutes.all + DomainRoutes.all + PowerRoutes.all + XMLRoutes.all + ConsoleRoutes.all + LogRoutes.all
        + DiskRoutes.all + SnapshotRoutes.all + ScheduleRoutes.all + StatisticsRoutes.all + EventRoutes.all + OperationRoutes.all
        + ChainRoutes.all
        + BlockJobRoutes.all + BackupRoutes.all
        + PoolRoutes.all + VolumeRoutes.all
        + NetworkRoutes.all + NICRoutes.all + SecretRoutes.all
}
