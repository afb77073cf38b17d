// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// The keys of log metadata, declared once so that one thing has one name in all logs.
public enum LogKey {
    public static let domain = "domain"
    public static let network = "network"
    public static let uuid = "uuid"
    public static let pid = "pid"
    public static let exitStatus = "exit_status"
    public static let error = "error"
    public static let path = "path"
    public static let client = "client"
    public static let procedure = "procedure"
    public static let job = "job"
    public static let command = "command"
    public static let phase = "phase"
    public static let event = "event"
    public static let duration = "duration"
    public static let count = "count"
    public static let reason = "reason"
    public static let binary = "binary"
}
