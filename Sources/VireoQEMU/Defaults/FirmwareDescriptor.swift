// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoModel

/// One firmware that is installed on the host, as its descriptor tells (QEMU's `docs/interop/firmware.json`).
package struct FirmwareDescriptor: Hashable, Sendable {
    /// How it is put into the guest.
    package enum Mapping: Hashable, Sendable {
        /// Two flash devices: code, and variables that each guest has a copy of.
        case split(code: Image, variablesTemplate: Image)
        /// Code without variables of its own.
        case stateless(code: Image)
        /// Code and variables in one image.
        case combined(Image)
        /// As `-bios`.
        case memory(path: String)
    }

    package struct Image: Hashable, Sendable {
        package var path: String
        package var format: ImageFormat

        package init(path: String, format: ImageFormat) { (self.path, self.format) = (path, format) }
    }

    /// A guest that it fits: the architecture in QEMU's words and patterns (`pc-q35-*`) of machines.
    package struct Target: Hashable, Sendable {
        package var architecture: String
        package var machines: [String]

        package init(architecture: String, machines: [String]) { (self.architecture, self.machines) = (architecture, machines) }
    }

    /// `bios`, `uefi`, …
    package var interfaces: Set<String>
    package var mapping: Mapping
    package var targets: [Target]
    /// `secure-boot`, `enrolled-keys`, `requires-smm`, …
    package var features: Set<String>

    package init(interfaces: Set<String>, mapping: Mapping, targets: [Target], features: Set<String>) {
        (self.interfaces, self.mapping, self.targets, self.features) = (interfaces, mapping, targets, features)
    }

    /// Reads a descriptor; nil for one that is malformed or of a kind that is not known.
    package init?(_ json: JSONValue) {
        guard let interfaces = json["interface-types"]?.arrayValue, let mapping = json["mapping"].flatMap(Self.mapping),
            let targets = json["targets"]?.arrayValue
        else { return nil }
        self.interfaces = Set(interfaces.compactMap(\.stringValue))
        self.mapping = mapping
        self.targets = targets.compactMap { target in
            guard let architecture = target["architecture"]?.stringValue else { return nil }
            return Target(architecture: architecture, machines: target["machines"]?.arrayValue?.compactMap(\.stringValue) ?? [])
        }
        self.features = Set(json["features"]?.arrayValue?.compactMap(\.stringValue) ?? [])
    }

    private static func mapping(_ json: JSONValue) -> Mapping? {
        func image(_ json: JSONValue?) -> Image? {
            guard let path = json?["filename"]?.stringValue, let word = json?["format"]?.stringValue,
                let format = ImageFormat(rawValue: word)
            else { return nil }
            return Image(path: path, format: format)
        }
        switch json["device"]?.stringValue {
        case "flash":
            guard let code = image(json["executable"]) else { return nil }
            switch json["mode"]?.stringValue ?? "split" {
            case "split": return image(json["nvram-template"]).map { .split(code: code, variablesTemplate: $0) }
            case "stateless": return .stateless(code: code)
            case "combined": return .combined(code)
            default: return nil
            }
        case "memory": return json["filename"]?.stringValue.map { .memory(path: $0) }
        default: return nil
        }
    }

    /// Whether it boots guests of `architecture` on `machine`.
    package func fits(architecture: String, machine: String) -> Bool {
        let word = architecture == "i686" ? "i386" : architecture
        return targets.contains { target in
            target.architecture == word && target.machines.contains { Self.matches(machine, pattern: $0) }
        }
    }

    /// Shell patterns with `*` only, which is what descriptors use.
    static func matches(_ text: String, pattern: String) -> Bool {
        let parts = pattern.split(separator: "*", omittingEmptySubsequences: false).map(String.init)
        guard parts.count > 1, let first = parts.first, let last = parts.last else { return text == pattern }
        guard text.hasPrefix(first), text.hasSuffix(last), text.count >= first.count + last.count else { return false }
        var rest = text.dropFirst(first.count).dropLast(last.count)
        for part in parts.dropFirst().dropLast() where !part.isEmpty {
            guard let end = rest.firstRange(of: part)?.upperBound else { return false }
            rest = rest[end...]
        }
        return true
    }
}
