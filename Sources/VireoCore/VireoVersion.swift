// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// What this build calls itself.
public enum VireoVersion {
    /// Of vireod and vireo.
    public static let text = "0.1.0"
    /// The level of libvirt's API that is served.
    public static let libvirtAPI = "9.0.0"
}
