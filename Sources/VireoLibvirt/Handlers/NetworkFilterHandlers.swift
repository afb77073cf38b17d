// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import VireoCore
internal import VireoModel
internal import VireoRPC
internal import VireoService
internal import VireoXML

extension HandlerTable {
    /// Packet filters and their bindings.
    mutating func addNetworkFilters() {
        addNetworkFilterLookup()
        on(RemoteCalls.nwfilterDefineXml) { args, call in
            RemoteNwfilterDefineXmlRet(nwfilter: .init(try await call.hypervisor.filters.define(xml: args.xml)))
        }
        on(RemoteCalls.nwfilterDefineXmlFlags) { args, call in
            let validates = args.flags & Libvirt.VIR_NWFILTER_DEFINE_VALIDATE != 0
            return RemoteNwfilterDefineXmlFlagsRet(
                nwfilter: .init(try await call.hypervisor.filters.define(xml: args.xml, validate: validates)))
        }
        on(RemoteCalls.nwfilterUndefine) { args, call in
            try await call.hypervisor.filters.undefine(call.filter(args.nwfilter).uuid)
            return XDRVoid()
        }
        fast(RemoteCalls.nwfilterGetXmlDesc) { args, call in
            RemoteNwfilterGetXmlDescRet(xml: PacketFilterXML.write(try call.filter(args.nwfilter)))
        }
        addNetworkFilterBindings()
    }

    private mutating func addNetworkFilterLookup() {
        fast(RemoteCalls.connectNumOfNwfilters) { _, call in
            RemoteConnectNumOfNwfiltersRet(num: Int32(clamping: call.hypervisor.filters.filters.count))
        }
        fast(RemoteCalls.connectListNwfilters) { args, call in
            let names = call.hypervisor.filters.filters.map(\.name)
            return RemoteConnectListNwfiltersRet(names: Array(names.prefix(try call.count(args.maxnames, "maxnames"))))
        }
        fast(RemoteCalls.connectListAllNwfilters) { args, call in
            let filters = call.hypervisor.filters.filters
            return RemoteConnectListAllNwfiltersRet(
                filters: args.needResults == 0 ? [] : filters.map { .init($0) }, ret: UInt32(clamping: filters.count))
        }
        fast(RemoteCalls.nwfilterLookupByName) { args, call in
            RemoteNwfilterLookupByNameRet(nwfilter: .init(try call.hypervisor.filters.filter(named: args.name)))
        }
        fast(RemoteCalls.nwfilterLookupByUuid) { args, call in
            guard let uuid = DomainUUID(bytes: args.uuid.bytes) else {
                throw VireoError(.invalidArg, "bad UUID", origin: .nwfilter)
            }
            return RemoteNwfilterLookupByUuidRet(nwfilter: .init(try call.hypervisor.filters.filter(uuid)))
        }
    }

    private mutating func addNetworkFilterBindings() {
        fast(RemoteCalls.connectListAllNwfilterBindings) { args, call in
            let bindings = call.hypervisor.filters.bindings
            return RemoteConnectListAllNwfilterBindingsRet(
                bindings: args.needResults == 0 ? [] : bindings.map { .init($0) }, ret: UInt32(clamping: bindings.count))
        }
        fast(RemoteCalls.nwfilterBindingLookupByPortDev) { args, call in
            RemoteNwfilterBindingLookupByPortDevRet(nwfilter: .init(try call.hypervisor.filters.binding(of: args.name)))
        }
        on(RemoteCalls.nwfilterBindingCreateXml) { args, call in
            let validates = args.flags & Libvirt.VIR_NWFILTER_BINDING_CREATE_VALIDATE != 0
            return RemoteNwfilterBindingCreateXmlRet(
                nwfilter: .init(try await call.hypervisor.filters.bind(xml: args.xml, validate: validates)))
        }
        on(RemoteCalls.nwfilterBindingDelete) { args, call in
            try await call.hypervisor.filters.unbind(args.nwfilter.portdev)
            return XDRVoid()
        }
        fast(RemoteCalls.nwfilterBindingGetXmlDesc) { args, call in
            let binding = try call.hypervisor.filters.binding(of: args.nwfilter.portdev)
            return RemoteNwfilterBindingGetXmlDescRet(xml: FilterBindingXML.write(binding))
        }
    }
}

extension CallContext {
    /// The filter that a client means.
    fileprivate func filter(_ wire: RemoteNonnullNwfilter) throws(VireoError) -> PacketFilter {
        guard let uuid = DomainUUID(bytes: wire.uuid.bytes) else {
            throw VireoError(.invalidNwfilter, api, origin: .nwfilter)
        }
        return try hypervisor.filters.filter(uuid)
    }
}

extension RemoteNonnullNwfilter {
    fileprivate init(_ filter: PacketFilter) { self.init(name: filter.name, uuid: XDRUUID(filter.uuid)) }
}

extension RemoteNonnullNwfilterBinding {
    fileprivate init(_ binding: FilterBinding) { self.init(portdev: binding.port, filtername: binding.reference.filter) }
}
