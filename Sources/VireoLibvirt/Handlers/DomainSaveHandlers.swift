// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import SystemPackage
internal import VireoCore
internal import VireoRPC
internal import VireoService

extension HandlerTable {
    /// Saving, restoring and dumping. The files are of the daemon's host.
    mutating func addDomainSaving() {
        addSave()
        addRestore()
        addManagedSave()
        on(RemoteCalls.domainCoreDump) { args, call in
            try await call.domain(args.dom).dump(
                to: try call.file(args.to), options: DumpOptions(rawValue: args.flags), client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainCoreDumpWithFormat) { args, call in
            guard let format = DumpFormat(rawValue: args.dumpformat) else {
                throw VireoError(.invalidArg, "dumpformat must be smaller than \(DumpFormat.windows.rawValue + 1)")
            }
            try await call.domain(args.dom).dump(
                to: try call.file(args.to), format: format, options: DumpOptions(rawValue: args.flags), client: call.client)
            return XDRVoid()
        }
    }

    private mutating func addSave() {
        on(RemoteCalls.domainSave) { args, call in
            try await call.domain(args.dom).save(to: try call.file(args.to), client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainSaveFlags) { args, call in
            try await call.domain(args.dom).save(
                to: try call.file(args.to), xml: args.dxml, options: SaveOptions(rawValue: args.flags), client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainSaveParams) { args, call in
            let params = try SaveParameters(args.params)
            let domain = try call.domain(args.dom)
            let options = SaveOptions(rawValue: args.flags)
            guard let file = params.file else {
                guard params.xml == nil else { throw VireoError(.operationInvalid, "xml modification unsupported") }
                try await domain.managedSave(options: options, client: call.client)
                return XDRVoid()
            }
            try await domain.save(
                to: try call.file(file), xml: params.xml, options: options, compression: params.compression, client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainSaveImageGetXmlDesc) { args, call in
            let secure = args.flags & UInt32(Libvirt.VIR_DOMAIN_SAVE_IMAGE_XML_SECURE) != 0
            return RemoteDomainSaveImageGetXmlDescRet(
                xml: try await call.hypervisor.saveImageXML(try call.file(args.file), secure: secure))
        }
        on(RemoteCalls.domainSaveImageDefineXml) { args, call in
            try await call.hypervisor.defineSaveImage(
                try call.file(args.file), xml: args.dxml, options: SaveOptions(rawValue: args.flags))
            return XDRVoid()
        }
    }

    private mutating func addRestore() {
        on(RemoteCalls.domainRestore) { args, call in
            try await call.hypervisor.restore(from: try call.file(args.from), client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainRestoreFlags) { args, call in
            try await call.hypervisor.restore(
                from: try call.file(args.from), xml: args.dxml, options: SaveOptions(rawValue: args.flags), client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainRestoreParams) { args, call in
            let params = try SaveParameters(args.params)
            guard let file = params.file else { throw VireoError(.invalidArg, "missing path to restore from") }
            try await call.hypervisor.restore(
                from: try call.file(file), xml: params.xml, options: SaveOptions(rawValue: args.flags), client: call.client)
            return XDRVoid()
        }
    }

    private mutating func addManagedSave() {
        on(RemoteCalls.domainManagedSave) { args, call in
            try await call.domain(args.dom).managedSave(options: SaveOptions(rawValue: args.flags), client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainManagedSaveRemove) { args, call in
            try await call.domain(args.dom).removeManagedSave(client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainManagedSaveGetXmlDesc) { args, call in
            let secure = args.flags & UInt32(Libvirt.VIR_DOMAIN_SAVE_IMAGE_XML_SECURE) != 0
            return RemoteDomainManagedSaveGetXmlDescRet(xml: try await call.domain(args.dom).managedSaveXML(secure: secure))
        }
        on(RemoteCalls.domainManagedSaveDefineXml) { args, call in
            guard let xml = args.dxml else {
                throw VireoError(.invalidArg, "dxml in \(call.api) must not be NULL", origin: .domain)
            }
            try await call.domain(args.dom).defineManagedSave(
                xml: xml, options: SaveOptions(rawValue: args.flags), client: call.client)
            return XDRVoid()
        }
    }
}

/// The typed parameters of `virDomainSaveParams` and `virDomainRestoreParams`.
private struct SaveParameters {
    var file: String?
    var xml: String?
    /// `image_format`, which later levels of the API have.
    var compression: SaveCompression?

    init(_ wire: [RemoteTypedParam]) throws(VireoError) {
        for parameter in wire {
            guard case .string(let text) = parameter.value else {
                throw VireoError(.invalidArg, "invalid type for parameter '\(parameter.field)', expected 'string'")
            }
            switch parameter.field {
            case "file": file = text
            case "dxml": xml = text
            case "image_format":
                guard let format = SaveCompression(rawValue: text) else {
                    throw VireoError(.invalidArg, "Invalid save image format '\(text)'")
                }
                compression = format
            default: throw VireoError(.argumentUnsupported, "parameter '\(parameter.field)' not supported")
            }
        }
    }
}

extension CallContext {
    /// A path of the daemon's host, which must be whole: the daemon's directory is nobody's business.
    fileprivate func file(_ text: String) throws(VireoError) -> FilePath {
        guard text.hasPrefix("/"), !text.utf8.contains(0) else {
            throw VireoError(.invalidArg, "the path '\(text)' is not absolute", origin: .domain)
        }
        return FilePath(text)
    }
}
