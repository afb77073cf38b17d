// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoQMP

extension StopLadder {
    /// For a QEMU that is asked to end by its monitor.
    package static func quit(_ monitor: QMPClient) -> Self {
        Self([Step(.ask { _ = try? await monitor.execute("quit", timeout: $0) }, patience: .seconds(3))] + destroy().steps)
    }
}
