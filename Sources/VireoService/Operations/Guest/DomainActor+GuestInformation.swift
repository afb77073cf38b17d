// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

/// What to ask a guest's agent; libvirt's `virDomainGuestInfoTypes`.
package struct GuestInformationTypes: OptionSet, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let users = Self(rawValue: 1)
    package static let operatingSystem = Self(rawValue: 2)
    package static let timeZone = Self(rawValue: 4)
    package static let hostname = Self(rawValue: 8)
    package static let fileSystems = Self(rawValue: 16)
    package static let disks = Self(rawValue: 32)
    package static let interfaces = Self(rawValue: 64)
    package static let all = Self(rawValue: 127)
}

extension DomainActor {
    /// The guest's own name for itself.
    package func guestHostname(client: ClientIdentity? = nil) async throws -> String {
        guard let name = try await agent("guest-get-host-name", client: client)["host-name"]?.stringValue else {
            throw VireoError(.noHostname, "no hostname found for domain '\(name)'")
        }
        return name
    }

    /// Sets a user's password in the guest.
    ///
    /// - Parameter isEncrypted: the password is a hash already, as `crypt(3)` makes it.
    package func setGuestPassword(
        of user: String, to password: String, isEncrypted: Bool, client: ClientIdentity? = nil
    ) async throws {
        _ = try await agent(
            "guest-set-user-password",
            ["username": .string(user), "password": .string(Base64.encode(password.utf8)), "crypted": .bool(isEncrypted)],
            client: client)
    }

    /// What the agent tells, as libvirt's typed parameters. Without types: everything that this agent can tell.
    ///
    /// - Throws: the agent's refusal of something that was asked for by its type.
    package func guestInformation(_ types: GuestInformationTypes, client: ClientIdentity? = nil) async throws -> [TypedParameter]
    {
        let isPicky = !types.isEmpty
        let wanted = isPicky ? types : .all
        var list = ParameterList()
        func ask(_ type: GuestInformationTypes, _ command: String) async throws -> JSONValue? {
            guard wanted.contains(type) else { return nil }
            do {
                return try await agent(command, client: client)
            } catch let error as VireoError
                where !isPicky && error.code != .agentUnresponsive && error.code != .operationInvalid
                && error.code != .argumentUnsupported
            {
                return nil
            }
        }
        if let answer = try await ask(.users, "guest-get-users") { Self.addUsers(answer, to: &list) }
        if let answer = try await ask(.operatingSystem, "guest-get-osinfo") { Self.addOperatingSystem(answer, to: &list) }
        if let answer = try await ask(.timeZone, "guest-get-timezone") {
            if let zone = answer["zone"]?.stringValue { list.add("timezone.name", .string(zone)) }
            if let offset = answer["offset"]?.int64Value { list.add("timezone.offset", .int(Int32(clamping: offset))) }
        }
        if let answer = try await ask(.hostname, "guest-get-host-name"), let name = answer["host-name"]?.stringValue {
            list.add("hostname", .string(name))
        }
        if wanted.contains(.fileSystems) {
            do {
                Self.addFileSystems(try await guestFileSystems(client: client), to: &list)
            } catch  where !isPicky {}
        }
        if let answer = try await ask(.disks, "guest-get-disks") { addDisks(answer, to: &list) }
        if wanted.contains(.interfaces) {
            do {
                Self.addInterfaces(try await interfaceAddresses(.agent, client: client), to: &list)
            } catch  where !isPicky {}
        }
        return list.parameters
    }

    private static func addUsers(_ answer: JSONValue, to list: inout ParameterList) {
        let users = answer.arrayValue ?? []
        list.add("user.count", .uint(UInt32(clamping: users.count)))
        for (index, user) in users.enumerated() {
            if let name = user["user"]?.stringValue { list.add("user.\(index).name", .string(name)) }
            if let domain = user["domain"]?.stringValue { list.add("user.\(index).domain", .string(domain)) }
            if let login = user["login-time"]?.doubleValue, login >= 0, login < 1e15 {
                list.add("user.\(index).login-time", .ullong(UInt64(login * 1000)))
            }
        }
    }

    private static func addOperatingSystem(_ answer: JSONValue, to list: inout ParameterList) {
        for key in [
            "id", "name", "pretty-name", "version", "version-id", "kernel-release", "kernel-version", "machine", "variant",
            "variant-id",
        ] {
            if let value = answer[key]?.stringValue { list.add("os.\(key)", .string(value)) }
        }
    }

    private static func addFileSystems(_ systems: [GuestFileSystem], to list: inout ParameterList) {
        list.add("fs.count", .uint(UInt32(clamping: systems.count)))
        for (index, system) in systems.enumerated() {
            list.add("fs.\(index).name", .string(system.name))
            list.add("fs.\(index).mountpoint", .string(system.mountPoint))
            list.add("fs.\(index).fstype", .string(system.type))
            if let total = system.totalBytes { list.add("fs.\(index).total-bytes", .ullong(total)) }
            if let used = system.usedBytes { list.add("fs.\(index).used-bytes", .ullong(used)) }
            list.add("fs.\(index).disk.count", .uint(UInt32(clamping: system.disks.count)))
            for (number, disk) in system.disks.enumerated() {
                if let target = disk.target { list.add("fs.\(index).disk.\(number).alias", .string(target)) }
                if let serial = disk.serial { list.add("fs.\(index).disk.\(number).serial", .string(serial)) }
                if let device = disk.device { list.add("fs.\(index).disk.\(number).device", .string(device)) }
            }
        }
    }

    private func addDisks(_ answer: JSONValue, to list: inout ParameterList) {
        let entries = answer.arrayValue ?? []
        list.add("disk.count", .uint(UInt32(clamping: entries.count)))
        for (index, entry) in entries.enumerated() {
            if let name = entry["name"]?.stringValue { list.add("disk.\(index).name", .string(name)) }
            list.add("disk.\(index).partition", .boolean(entry["partition"]?.boolValue ?? false))
            let dependencies = (entry["dependencies"]?.arrayValue ?? []).compactMap(\.stringValue)
            if !dependencies.isEmpty {
                list.add("disk.\(index).dependency.count", .uint(UInt32(clamping: dependencies.count)))
                for (number, dependency) in dependencies.enumerated() {
                    list.add("disk.\(index).dependency.\(number).name", .string(dependency))
                }
            }
            if let address = entry["address"] {
                if let serial = address["serial"]?.stringValue { list.add("disk.\(index).serial", .string(serial)) }
                if let target = Self.target(ofGuestDisk: address, live?.devices.disks ?? [], live?.devices.controllers ?? []) {
                    list.add("disk.\(index).alias", .string(target))
                }
            }
            if let alias = entry["alias"]?.stringValue { list.add("disk.\(index).guest_alias", .string(alias)) }
        }
    }

    private static func addInterfaces(_ interfaces: [GuestInterface], to list: inout ParameterList) {
        list.add("if.count", .uint(UInt32(clamping: interfaces.count)))
        for (index, interface) in interfaces.enumerated() {
            list.add("if.\(index).name", .string(interface.name))
            if let address = interface.hardwareAddress { list.add("if.\(index).hwaddr", .string(address)) }
            guard !interface.addresses.isEmpty else { continue }
            list.add("if.\(index).addr.count", .uint(UInt32(clamping: interface.addresses.count)))
            for (number, address) in interface.addresses.enumerated() {
                list.add("if.\(index).addr.\(number).type", .string(address.type == 1 ? "ipv6" : "ipv4"))
                list.add("if.\(index).addr.\(number).addr", .string(address.address))
                list.add("if.\(index).addr.\(number).prefix", .uint(address.prefix))
            }
        }
    }
}

/// RFC 4648, with padding: what the agent's protocol carries bytes in.
enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    static func encode(_ bytes: some Collection<UInt8>) -> String {
        var (text, group, count) = ([UInt8](), UInt32(0), 0)
        for byte in bytes {
            (group, count) = (group << 8 | UInt32(byte), count + 1)
            guard count == 3 else { continue }
            for shift in [18, 12, 6, 0] { text.append(alphabet[Int(group >> UInt32(shift) & 63)]) }
            (group, count) = (0, 0)
        }
        if count > 0 {
            group <<= UInt32(8 * (3 - count))
            for shift in [18, 12, 6, 0].prefix(count + 1) { text.append(alphabet[Int(group >> UInt32(shift) & 63)]) }
            text += repeatElement(UInt8(ascii: "="), count: 3 - count)
        }
        return String(decoding: text, as: UTF8.self)
    }
}
