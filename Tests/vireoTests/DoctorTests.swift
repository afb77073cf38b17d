// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import vireo

@Suite("Doctor")
struct DoctorTests {
    /// A host on which all is well.
    static var healthy: HostFacts {
        var facts = HostFacts()
        (facts.kvm, facts.nested, facts.hasVirtualisationFlag, facts.cpuVendor) = (.works, true, true, .intel)
        facts.qemu = .init(path: "/usr/bin/qemu-system-x86_64", version: "7.2.22")
        facts.qemuImg.path = "/usr/bin/qemu-img"
        facts.swtpm.path = "/usr/bin/swtpm"
        (facts.dnsmasq.path, facts.nft.path) = ("/usr/sbin/dnsmasq", "/usr/sbin/nft")
        facts.uefiFirmware = "/usr/share/OVMF/OVMF_CODE_4M.fd"
        facts.deviceNodes = ["net/tun", "vhost-net"]
        (facts.cgroup, facts.cgroupControllers) = (.v2, ["cpu", "memory"])
        (facts.availableMemory, facts.freeSpace) = (8 << 30, 100 << 30)
        facts.daemon = "0.1.0"
        return facts
    }

    static func finding(_ subject: String, _ change: (inout HostFacts) -> Void) -> Finding? {
        var facts = healthy
        change(&facts)
        return Diagnosis.findings(facts).first { $0.subject == subject }
    }

    @Test("A good host gets no cures")
    func healthyHost() {
        let findings = Diagnosis.findings(Self.healthy)
        #expect(findings.allSatisfy { $0.verdict == .good && $0.cure == nil })
        #expect(DoctorCommand.summary(of: findings) == "All is well.")
    }

    @Test("Who may not open /dev/kvm is told the group, and who is in it the mode")
    func forbidden() {
        let outsider = Self.finding("KVM") { ($0.kvm, $0.kvmGroup, $0.userName) = (.forbidden, "kvm", "ann") }
        #expect(outsider?.cure?.hasPrefix("sudo usermod -aG kvm ann") == true)
        let member = Self.finding("KVM") { ($0.kvm, $0.kvmGroup, $0.groups) = (.forbidden, "kvm", ["kvm"]) }
        #expect(member?.cure?.contains("chmod 0660 /dev/kvm") == true)
    }

    @Test("A firewall that drops what is forwarded is named, with the command that lets machines out")
    func forwarding() {
        let docker = "table ip filter {\n\tchain FORWARD {\n\t\ttype filter hook forward priority filter; policy drop;\n\t}\n}\n"
        #expect(HostSurvey.droppingChains(docker) == ["ip filter FORWARD"])
        #expect(HostSurvey.droppingChains(docker.replacing("drop", with: "accept")) == [])
        #expect(HostSurvey.droppingChains(docker.replacing("ip", with: "bridge")) == [])
        let cure = Self.finding("forwarding") { ($0.droppingChains, $0.bridges) = (["ip filter FORWARD"], ["virbr*", "lab0"]) }?
            .cure
        #expect(cure?.contains(#"insert rule ip filter FORWARD iifname "virbr*" accept"#) == true)
        #expect(cure?.contains(#"insert rule ip filter FORWARD oifname "lab0" accept"#) == true)
        #expect(Self.finding("forwarding") { $0.droppingChains = [] } == nil)
    }

    @Test("A chain with the rules that the cure puts there is no finding")
    func curedForwarding() {
        let rules = ["iifname \"virbr*\" accept", "oifname \"virbr*\" accept"]
        #expect(HostSurvey.allowsBridges(rules.joined(separator: "\n")))
        #expect(!HostSurvey.allowsBridges(rules[0]))
    }

    @Test("firewalld is named where bridges are in none of its zones, with the command that puts them into one")
    func firewalld() {
        let chain = "table inet firewalld {\n\tchain filter_FORWARD_ZONES {\n%\t\tgoto filter_FWD_public\n\t}\n}\n"
        func finding(_ rules: String, _ bridges: [String]) -> Finding? {
            Self.finding("firewalld") {
                ($0.firewalldZones, $0.bridges) = (chain.replacing("%", with: rules), bridges)
            }
        }
        #expect(
            finding("", ["virbr*", "lab0"])?.cure
                == "firewall-cmd --permanent --zone=trusted --add-interface=virbr+ --add-interface=lab0 && firewall-cmd --reload")
        #expect(finding("\t\tiifname \"virbr*\" goto filter_FWD_trusted\n", ["virbr*"]) == nil)
        #expect(finding("\t\tiifname \"virbr0\" goto filter_FWD_libvirt\n", ["virbr*", "lab0"])?.text.contains("lab0") == true)
        #expect(finding("\t\tiifname \"lab01\" goto filter_FWD_libvirt\n", ["lab0"]) != nil)
        #expect(Self.finding("firewalld") { $0.firewalldZones = nil } == nil)
    }

    @Test("Root is told which program virtual networks lack")
    func networks() {
        #expect(
            Self.finding("networks") { ($0.uid, $0.nft.path) = (0, nil) }?.cure == "apt-get install -y nftables")
        #expect(
            Self.finding("networks") { ($0.uid, $0.dnsmasq.path) = (0, nil) }?.cure == "apt-get install -y dnsmasq-base")
        #expect(Self.finding("networks") { $0.nft.path = nil } == nil)
    }

    @Test("A missing module is loaded for the CPU's maker")
    func modules() {
        #expect(Self.finding("KVM") { $0.kvm = .missing }?.cure == "sudo modprobe kvm_intel")
        #expect(Self.finding("KVM") { ($0.kvm, $0.cpuVendor, $0.uid) = (.missing, .amd, 0) }?.cure == "modprobe kvm_amd")
    }

    @Test("A CPU without virtualisation cannot be cured, and machines run slowly all the same")
    func noVirtualisation() {
        let finding = Self.finding("KVM") { ($0.kvm, $0.hasVirtualisationFlag) = (.missing, false) }
        #expect(finding?.verdict == .warning && finding?.cure == nil)
    }

    @Test(
        "Without QEMU nothing runs; the cure fits the distribution",
        arguments: [
            (PackageManager.apt, "sudo apt-get install -y qemu-system-x86"), (.dnf, "sudo dnf install -y qemu-kvm"),
        ])
    func noQEMU(packages: PackageManager, cure: String) {
        let finding = Self.finding("QEMU") { ($0.qemu, $0.packages) = (.init(), packages) }
        #expect(finding?.verdict == .failure && finding?.cure == cure)
    }

    @Test("Every finding that is not good and can be cured names one command")
    func bareHost() {
        let findings = Diagnosis.findings(HostFacts())
        #expect(findings.contains { $0.verdict == .failure })
        for finding in findings { #expect(finding.cure?.contains("\n") != true) }
    }

    @Test("The cure stands on a line of its own")
    func lines() {
        let finding = Finding.failure("QEMU", "not installed", cure: "apt install qemu")
        #expect(
            finding.lines(style: .plain, width: 6) == ["FAIL  QEMU    not installed", "              cure: apt install qemu"])
    }
}
