// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

extension HandlerTable {
    /// Everything that the daemon answers.
    package static var all: HandlerTable {
        var table = HandlerTable()
        table.addConnection()
        table.addHost()
        table.addCapabilities()
        table.addDomainLookup()
        table.addDomainReading()
        table.addDomainLife()
        table.addDomainTuning()
        table.addDomainVCPUs()
        table.addDomainDevices()
        table.addDomainStatistics()
        table.addDomainParameters()
        table.addDomainJobs()
        table.addBlockJobs()
        table.addBackups()
        table.addDomainSaving()
        table.addDomainAgent()
        table.addDomainGuest()
        table.addDomainAccess()
        table.addEvents()
        table.addInterfaces()
        table.addStoragePools()
        table.addStorageVolumes()
        table.addStorageStreams()
        table.addNetworks()
        table.addNetworkPorts()
        table.addNodeDevices()
        table.addSecrets()
        table.addNetworkFilters()
        table.addSnapshots()
        return table
    }
}
