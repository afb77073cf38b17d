// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoModel
import VireoXML

/// What pools can be made here: `virConnectGetStoragePoolCapabilities`.
package enum StoragePoolCapabilities {
    /// The document, as libvirt writes it.
    package static var xml: String {
        var writer = XMLWriter()
        writer.element("storagepoolCapabilities") { writer in
            for kind in StoragePool.Kind.allCases { write(kind, to: &writer) }
        }
        return writer.text
    }

    private static func write(_ kind: StoragePool.Kind, to writer: inout XMLWriter) {
        writer.element("pool") { writer in
            writer.attribute("type", kind)
            writer.attribute("supported", yesNo: StorageBackends.isSupported(kind))
            writer.raw("")
            let formats = kind.sourceFormats
            if let first = formats.first {
                writer.element("poolOptions") { writer in
                    writer.element("defaultFormat") { $0.attribute("type", first) }
                    // libvirt lists its numbers in order, where the default need not be the first.
                    write(kind == .logical ? formats.reversed() : formats, as: "sourceFormatType", to: &writer)
                }
            }
            guard let format = kind.defaultVolumeFormat else { return }
            writer.element("volOptions") { writer in
                writer.element("defaultFormat") { $0.attribute("type", format) }
                write(kind.volumeFormats, as: "targetFormatType", to: &writer)
            }
        }
    }

    private static func write(_ values: [String], as name: String, to writer: inout XMLWriter) {
        writer.element("enum") { writer in
            writer.attribute("name", name)
            writer.raw("")
            for value in values { writer.element("value", text: value) }
        }
    }
}
