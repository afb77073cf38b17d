// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// Elements and attributes of libvirt's domain format that Vireo knows of and does not support: refused, not ignored.
enum KnownNames {
    /// Children by the name of their parent.
    private static let elements: [String: Set<String>] = [
        "domain": ["launchSecurity", "keywrap", "idmap", "bootloader", "bootloader_args"],
        "os": ["init", "initarg", "initenv", "initdir", "inituser", "initgroup", "root", "bootloader"],
        "devices": ["lease", "nvram", "crypto", "pstore"],
        "cputune": ["cachetune", "memorytune"],
        "address": ["zpci"],
    ]

    /// Attributes by the name of their element.
    private static let attributes: [String: Set<String>] = [
        "source": ["fdgroup", "writeFiltering"],
        "controller": ["maxGrantFrames", "maxEventChannels"],
    ]

    /// Children of the domain in QEMU's own namespace.
    private static let qemuElements: Set<String> = ["capabilities", "override"]

    static func contains(_ leftover: XMLDocument.Leftover) -> Bool {
        let element = leftover.element
        if let attribute = leftover.attribute { return attributes[element.name]?.contains(attribute) ?? false }
        guard let parent = element.parent else { return false }
        if element.prefix != nil {
            return parent.parent == nil && qemuElements.contains(element.localName) && element.namespace == QEMUNamespace.uri
        }
        return elements[parent.name]?.contains(element.name) ?? false
    }
}

/// The namespace of elements that only concern QEMU.
enum QEMUNamespace {
    static let uri = "http://libvirt.org/schemas/domain/qemu/1.0"
}
