// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Where links of sysfs lead.
enum SystemLink {
    static func target(of path: String) -> String? {
        guard let real = realpath(path, nil) else { return nil }
        defer { free(real) }
        return String(cString: real)
    }
}
