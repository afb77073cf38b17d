// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension TPM {
    init(_ element: XMLElement) throws(VireoError) {
        let backends = element.children("backend")
        guard backends.count <= 1 else { throw .malformed("only one TPM backend is supported") }
        guard let backend = backends.first else { throw .malformed("missing TPM device backend") }
        let model: Model? = try element.word("model")
        let type = try backend.required("type")
        switch type {
        case "passthrough": self.init(model, backend: .passthrough(path: backend.child("device")?.nonEmpty("path")))
        case "emulator": self.init(model, backend: .emulator(try Emulator(backend)))
        case "external":
            guard let source = backend.child("source") else { throw .malformed("missing source for external TPM") }
            let mode = source.attribute("mode")
            guard source.attribute("type") == "unix", mode == nil || mode == "connect", let path = source.nonEmpty("path") else {
                throw .unsupported("only unix sockets with mode 'connect' are supported for external TPM devices")
            }
            self.init(model, backend: .external(CharacterSource(.unix(.init(mode: .connect, path: path)))))
        default: throw backend.invalid("type", type)
        }
        info = try DeviceInfo(element)
    }

    func write(to writer: inout XMLWriter, _ options: WriteOptions) {
        writer.element("tpm") { writer in
            writer.attribute("model", model)
            writer.element("backend") { writer in
                switch backend {
                case .passthrough(let path):
                    writer.attribute("type", "passthrough")
                    writer.element("device") { $0.attribute("path", path) }
                case .emulator(let emulator):
                    writer.attribute("type", "emulator")
                    emulator.write(to: &writer)
                case .external(let source):
                    writer.attribute("type", "external")
                    guard case .unix(let socket) = source.kind else { break }
                    writer.element("source") {
                        $0.attribute("type", "unix")
                        $0.attribute("mode", "connect")
                        $0.attribute("path", socket.path)
                    }
                }
            }
            info.write(to: &writer, options)
        }
    }
}

extension TPM.Emulator {
    init(_ backend: XMLElement) throws(VireoError) {
        self.init(version: try backend.word("version", unknown: "Unsupported TPM version"))
        secret = try backend.child("encryption")?.uuid("secret")
        keepsState = try backend.yesNo("persistent_state")
        if let banks = backend.child("active_pcr_banks") {
            for bank in TPM.PCRBank.allCases where banks.elements.contains(where: { $0.name == bank.rawValue }) {
                activePCRBanks.append(bank)
            }
            for bank in banks.elements where TPM.PCRBank(rawValue: bank.name) != nil { bank.consume() }
        }
    }

    fileprivate func write(to writer: inout XMLWriter) {
        writer.attribute("version", version)
        writer.attribute("persistent_state", keepsState == true ? "yes" : nil)
        if let secret { writer.element("encryption") { $0.attribute("secret", secret.description) } }
        if !activePCRBanks.isEmpty {
            writer.element("active_pcr_banks") { writer in
                for bank in activePCRBanks { writer.element(bank.rawValue) }
            }
        }
    }
}
