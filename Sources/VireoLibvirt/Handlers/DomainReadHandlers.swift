// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import VireoCore
internal import VireoHost
internal import VireoModel
internal import VireoRPC
internal import VireoService
internal import VireoXML

extension HandlerTable {
    /// What is known of one domain without asking its QEMU. All from published views.
    mutating func addDomainReading() {
        fast(RemoteCalls.domainGetState) { args, call in
            let view = try call.domain(args.dom).view
            return RemoteDomainGetStateRet(state: view.state.rawValue, reason: view.reason)
        }
        fast(RemoteCalls.domainGetInfo) { args, call in
            let view = try call.domain(args.dom).view
            let definition = view.definition()
            return RemoteDomainGetInfoRet(
                state: UInt32(bitPattern: view.state.rawValue), maxMem: definition?.memory.total.kibibytes ?? 0,
                memory: (definition?.memory.current ?? definition?.memory.total)?.kibibytes ?? 0,
                nrVirtCpu: UInt32(clamping: definition.map { $0.vcpus.current ?? $0.vcpus.maximum } ?? 0),
                cpuTime: view.pid.flatMap { ProcessSample(pid: $0) }?.time ?? 0)
        }
        fast(RemoteCalls.domainGetOsType) { args, call in
            let definition = try call.domain(args.dom).view.definition()
            return RemoteDomainGetOsTypeRet(type: definition?.os.type ?? "hvm")
        }
        fast(RemoteCalls.domainIsActive) { args, call in
            RemoteDomainIsActiveRet(active: try call.domain(args.dom).view.isActive ? 1 : 0)
        }
        fast(RemoteCalls.domainIsPersistent) { args, call in
            RemoteDomainIsPersistentRet(persistent: try call.domain(args.dom).view.isPersistent ? 1 : 0)
        }
        fast(RemoteCalls.domainIsUpdated) { args, call in
            RemoteDomainIsUpdatedRet(updated: try call.domain(args.dom).view.isUpdated ? 1 : 0)
        }
        fast(RemoteCalls.domainGetAutostart) { args, call in
            RemoteDomainGetAutostartRet(autostart: try call.domain(args.dom).view.autostart ? 1 : 0)
        }
        fast(RemoteCalls.domainHasManagedSaveImage) { args, call in
            RemoteDomainHasManagedSaveImageRet(result: try call.domain(args.dom).view.hasManagedSave ? 1 : 0)
        }
        fast(RemoteCalls.domainGetMaxMemory) { args, call in
            let definition = try call.domain(args.dom).view.definition()
            return RemoteDomainGetMaxMemoryRet(memory: definition?.memory.total.kibibytes ?? 0)
        }
        // Writing XML takes a while for a large definition: beside the loop.
        on(RemoteCalls.domainGetXmlDesc) { args, call in
            let flags = args.flags
            let view = try call.domain(args.dom).view
            guard let definition = view.definition(inactive: flags & Libvirt.VIR_DOMAIN_XML_INACTIVE != 0) else {
                throw VireoError(.internalError, "domain '\(view.name)' has no definition")
            }
            let isMigratable = flags & Libvirt.VIR_DOMAIN_XML_MIGRATABLE != 0
            let isInactive = flags & Libvirt.VIR_DOMAIN_XML_INACTIVE != 0 || !view.isActive || isMigratable
            let options = WriteOptions(
                id: isInactive ? nil : view.id, inactive: isInactive,
                secure: flags & Libvirt.VIR_DOMAIN_XML_SECURE != 0 || isMigratable, migratable: isMigratable)
            return RemoteDomainGetXmlDescRet(xml: DomainXML.write(definition, options))
        }
    }
}
