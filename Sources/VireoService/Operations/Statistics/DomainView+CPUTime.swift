// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoHost

extension DomainView {
    /// CPU time that the domain's QEMU took, in nanoseconds; nil while it does not run.
    package var cpuTime: DomainCgroup.CPUTime? {
        process.map { DomainCgroup.CPUTime(total: $0.time, user: $0.user, system: $0.system) }
    }

    /// The answer of `virDomainGetCPUStats` for all of the host's CPUs together.
    ///
    /// - Throws: `operationInvalid` when the domain does not run.
    package func totalCPUStatistics() throws(VireoError) -> [TypedParameter] {
        guard let time = cpuTime else { throw VireoError(.operationInvalid, "domain is not running") }
        return [
            TypedParameter("cpu_time", .ullong(time.total)), TypedParameter("user_time", .ullong(time.user)),
            TypedParameter("system_time", .ullong(time.system)),
        ]
    }

    /// The same for each of the host's CPUs: `cpu_time` of the whole process, `vcpu_time` of its vCPUs.
    ///
    /// - Throws: `operationInvalid` when the domain does not run, or the kernel does not tell CPUs apart.
    package func cpuStatistics(ofEachCPUIn group: DomainCgroup?) throws(VireoError) -> [[TypedParameter]] {
        guard isActive else { throw VireoError(.operationInvalid, "domain is not running") }
        guard let times = group?.cpuTimeOfEachCPU else {
            throw VireoError(.operationInvalid, "cgroup CPUACCT controller is not mounted")
        }
        return times.map { [TypedParameter("cpu_time", .ullong($0))] }
    }
}
