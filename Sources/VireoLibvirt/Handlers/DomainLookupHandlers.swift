// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import VireoCore
internal import VireoRPC
internal import VireoService

extension HandlerTable {
    /// Finding domains, counting and listing them. All from published views, so none of it waits.
    mutating func addDomainLookup() {
        fast(RemoteCalls.domainLookupById) { args, call in
            RemoteDomainLookupByIdRet(dom: .init(try call.hypervisor.domain(id: args.id).view.reference))
        }
        fast(RemoteCalls.domainLookupByUuid) { args, call in
            let dom = RemoteNonnullDomain(name: "", uuid: args.uuid, id: -1)
            guard let uuid = DomainUUID(bytes: dom.uuid.bytes) else { throw VireoError(.invalidArg, "bad UUID") }
            return RemoteDomainLookupByUuidRet(dom: .init(try call.hypervisor.domain(uuid: uuid).view.reference))
        }
        fast(RemoteCalls.domainLookupByName) { args, call in
            RemoteDomainLookupByNameRet(dom: .init(try call.hypervisor.domain(named: args.name).view.reference))
        }
        fast(RemoteCalls.connectListAllDomains) { args, call in
            let views = call.hypervisor.views(DomainFilter(rawValue: args.flags))
            return RemoteConnectListAllDomainsRet(
                domains: args.needResults == 0 ? [] : views.map { .init($0.reference) }, ret: UInt32(clamping: views.count))
        }
        fast(RemoteCalls.connectNumOfDomains) { _, call in
            RemoteConnectNumOfDomainsRet(num: Int32(clamping: call.hypervisor.views(.active).count))
        }
        fast(RemoteCalls.connectListDomains) { args, call in
            let ids = call.hypervisor.views(.active).map(\.id).sorted()
            return RemoteConnectListDomainsRet(ids: Array(ids.prefix(try call.count(args.maxids, "maxids"))))
        }
        fast(RemoteCalls.connectNumOfDefinedDomains) { _, call in
            RemoteConnectNumOfDefinedDomainsRet(num: Int32(clamping: call.hypervisor.views(.inactive).count))
        }
        fast(RemoteCalls.connectListDefinedDomains) { args, call in
            let names = call.hypervisor.views(.inactive).map(\.name.text)
            return RemoteConnectListDefinedDomainsRet(names: Array(names.prefix(try call.count(args.maxnames, "maxnames"))))
        }
    }
}

extension CallContext {
    /// A limit that a client states for a list.
    ///
    /// - Throws: `invalidArg` for a negative one, `rpc` for one above the protocol's, in libvirtd's words.
    func count(_ wanted: Int32, _ name: String) throws(VireoError) -> Int {
        guard wanted >= 0 else {
            throw VireoError(.invalidArg, "\(name) in \(api) must be zero or greater", origin: .domain)
        }
        guard wanted <= WireLimit.REMOTE_DOMAIN_LIST_MAX else {
            throw VireoError(.internalError, "\(name) > REMOTE_DOMAIN_LIST_MAX", origin: .rpc)
        }
        return Int(wanted)
    }
}
