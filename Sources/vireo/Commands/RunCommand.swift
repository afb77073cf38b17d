// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import NIOHTTP1
import SystemPackage
import VireoCore

/// `vireo run`
struct RunCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Make a machine from an image, an ISO or a kernel, and start it.",
        discussion: """
            The machine gets virtio devices on a q35 board, a serial console, and a card on the host's network 'default'; where that is \
            not up, or ports are published, it is behind QEMU's own network (user mode). Its address is told when it is known.
              vireo run debian.qcow2 -p 2222:22
              vireo run --cdrom installer.iso --disk size=20G --uefi
              vireo run --kernel vmlinuz --initrd initrd.img --append 'console=ttyS0 quiet' --rm
            Unless -d is given, you are joined to its console; Ctrl-] leaves, and the machine runs on.
            """)

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo

    @Argument(
        help: ArgumentHelp("Disk image to boot; a name that ends in .iso is put into the CD drive.", valueName: "image"),
        completion: .file())
    var image: String?

    @Option(name: .long, help: "Name of the machine; made up from the image's if not given.")
    var name: String?

    @Option(
        name: [.customShort("m"), .long], help: ArgumentHelp("Memory: 512M, 2G; a bare number is in MiB.", valueName: "size"))
    var memory = SizeArgument(.gibibytes(1))

    @Option(name: [.customShort("c"), .long], help: ArgumentHelp("Processors.", valueName: "count"))
    var cpus = 2

    @Option(
        name: [.customShort("p"), .customLong("publish")],
        help: ArgumentHelp(
            "Lead a port of this host into the machine: [ADDRESS:]HOST:GUEST[/udp]; repeatable.", valueName: "ports"))
    var ports: [PortForwardArgument] = []

    @Option(
        name: .long,
        help: ArgumentHelp(
            "A further disk: PATH[,format=F][,bus=B][,readonly], or size=20G[,path=P][,format=F] for a new one; repeatable.",
            valueName: "disk"), completion: .file())
    var disk: [DiskArgument] = []

    @Option(name: .long, help: "ISO image in the CD drive.", completion: .file(extensions: ["iso"]))
    var cdrom: String?

    @Option(name: .long, help: "Linux kernel to start directly.", completion: .file())
    var kernel: String?

    @Option(name: .long, help: "Initial RAM disk for the kernel.", completion: .file())
    var initrd: String?

    @Option(name: .long, help: ArgumentHelp("Command line of the kernel; 'console=ttyS0' if not given.", valueName: "text"))
    var append: String?

    @Flag(name: .long, help: "UEFI firmware instead of BIOS.")
    var uefi = false

    @Option(
        name: .long,
        help: ArgumentHelp(
            "A network's name, user, none, or bridge=NAME; 'default' if it is up, else user, if not given.", valueName: "network")
    )
    var network: NetworkArgument?

    @Option(name: .long, help: "Screen: none or vnc; vnc when there is an image or ISO to boot.")
    var graphics: GraphicsArgument?

    @Flag(name: .customLong("rm"), help: "Forget the machine when it stops. Disk images stay.")
    var forgets = false

    @Flag(name: .shortAndLong, help: "Do not join the console.")
    var detach = false

    @Option(
        name: .customLong("wait-address"),
        help: ArgumentHelp("With -d: wait so many seconds for the machine's address, and print it.", valueName: "seconds"))
    var addressSeconds: Int?

    enum GraphicsArgument: String, ExpressibleByArgument, CaseIterable, Sendable { case none, vnc }

    mutating func validate() throws {
        guard (1...1024).contains(cpus) else { throw ValidationError("--cpus is between 1 and 1024") }
        guard image != nil || cdrom != nil || kernel != nil || !disk.isEmpty else {
            throw ValidationError("say what to boot: an image, --cdrom, --kernel or --disk")
        }
        guard kernel != nil || (initrd == nil && append == nil) else {
            throw ValidationError("--initrd and --append go with --kernel")
        }
        guard cdrom == nil || !imageIsISO else {
            throw ValidationError("the CD drive takes one ISO; leave out --cdrom or the image")
        }
        guard kernel == nil || !uefi else { throw ValidationError("--kernel starts without firmware; leave out --uefi") }
        guard ports.isEmpty || network == nil || network == .user else { throw ValidationError("-p goes with --network user") }
        guard addressSeconds == nil || detach && !options.json else {
            throw ValidationError("--wait-address goes with --detach, and not with --json")
        }
        guard addressSeconds.map({ (1...3600).contains($0) }) != false else {
            throw ValidationError("--wait-address is between 1 and 3600 seconds")
        }
        let hostPorts = ports.map { "\($0.address):\($0.hostPort)/\($0.transport)" }
        guard Set(hostPorts).count == hostPorts.count else {
            throw ValidationError("a port of the host can lead to one place only")
        }
        if let name {
            do {
                _ = try DomainName(name)
            } catch {
                throw ValidationError(error.message)
            }
        }
        guard !options.json || detach else { throw ValidationError("--json goes with --detach") }
    }

    private var imageIsISO: Bool { image.map { $0.lowercased().hasSuffix(".iso") } ?? false }

    func run() async throws {
        let client = try await connect()
        let request = try request(
            suffix: String(UInt16.random(in: 0x1000 ... .max), radix: 16), network: try await chosenNetwork(client))
        let answer = try await client.json(.init(method: .POST, path: "/domains", body: .json(request), timeout: .seconds(180)))
        let summary = DomainSummary(answer)
        if options.json {
            answer.print()
        } else if detach {
            print(summary.name)
            guard let addressSeconds else { return }
            guard let address = await AddressWait(client: client, machine: summary.uuid).address(within: .seconds(addressSeconds))
            else { throw CLIError(.timedOut, "\(summary.name) had no address within \(addressSeconds) s; it runs on") }
            print(address.address)
        } else {
            let ending = try await withThrowingTaskGroup(of: ConsoleSession.Ending?.self) { group in
                group.addTask { try await ConsoleSession(client: client, domain: summary.uuid).run() }
                group.addTask {
                    // Ends with the session.
                    guard let address = await AddressWait(client: client, machine: summary.uuid).address(within: .seconds(3600))
                    else { return nil }
                    Terminal.standardError.write("\r\n\(summary.name) has the address \(address.address)\r\n")
                    return nil
                }
                defer { group.cancelAll() }
                while let ending = try await group.next() {
                    if let ending { return ending }
                }
                return .left
            }
            if ending == .left {
                Terminal.standardError.write(
                    "\(summary.name) runs on: vireo console \(summary.name), vireo stop \(summary.name)\n")
            }
        }
    }

    /// The network that was asked for; else 'default' if it is up, or QEMU's own, which is said with the reason.
    private func chosenNetwork(_ client: APIClient) async throws -> NetworkArgument {
        if let network { return network }
        guard ports.isEmpty else { return .user }
        let answer = try await client.json(.init(method: .GET, path: "/networks"))
        let (network, reason) = Self.choice(among: answer["networks"]?.arrayValue ?? [])
        if let reason { Terminal.standardError.write("\(reason)\n") }
        return network
    }

    /// The network that a machine gets if nobody says; with the reason if it is not 'default'.
    static func choice(among networks: [JSONValue]) -> (NetworkArgument, reason: String?) {
        let advice = "the machine is behind QEMU's own network, where nobody reaches it"
        guard let network = networks.first(where: { $0["name"]?.stringValue == "default" }) else {
            return (.user, "There is no network 'default' here: \(advice).")
        }
        guard network["active"]?.boolValue == true else {
            return (.user, "Network 'default' is down (vireo network start default): \(advice).")
        }
        return (.network("default"), nil)
    }

    /// What is asked of the daemon.
    ///
    /// - Parameters:
    ///   - suffix: makes a made-up name unique.
    ///   - network: the one that was asked for, or chosen.
    /// - Throws: `CLIError` when a file is missing or its format must be said.
    func request(suffix: String, network: NetworkArgument = .user) throws -> JSONValue {
        var members: [(key: String, value: JSONValue)] = [
            ("name", .string(name ?? Self.name(for: image ?? kernel ?? cdrom, suffix: suffix))),
            ("cpus", JSONValue(cpus)), ("memoryBytes", JSONValue(memory.size.bytes)),
            ("firmware", uefi ? "uefi" : "bios"), ("persistent", .bool(!forgets)), ("start", true),
        ]
        var disks = disk
        if let image, !imageIsISO { disks.insert(DiskArgument(file: FilePath(image)), at: 0) }
        members.append(("disks", .array(try disks.map { try $0.json() })))
        if let cdrom = cdrom ?? (imageIsISO ? image : nil) {
            members.append(("cdrom", .string(try Self.existing(cdrom, "the ISO image"))))
        }
        if let kernel {
            var boot: [(key: String, value: JSONValue)] = [("path", .string(try Self.existing(kernel, "the kernel")))]
            if let initrd { boot.append(("initrd", .string(try Self.existing(initrd, "the initial RAM disk")))) }
            boot.append(("commandLine", .string(append ?? "console=ttyS0")))
            members.append(("kernel", .object(JSONObject(boot))))
        }
        members.append(("networks", .array(network.json(forwarding: ports))))
        let screen = graphics ?? (kernel == nil ? .vnc : GraphicsArgument.none)
        if screen == .vnc { members.append(("graphics", ["type": "vnc"])) }
        return .object(JSONObject(members))
    }

    /// A name for a machine after the file that it boots: `debian-12.qcow2` gives `debian-12-3fa2`.
    static func name(for file: String?, suffix: String) -> String {
        let stem = file.flatMap { FilePath($0).stem } ?? "machine"
        let safe = stem.map { $0.isASCII && ($0.isLetter || $0.isNumber || "._-".contains($0)) ? $0 : "-" }
        return "\(String(safe.prefix(40)))-\(suffix)"
    }

    private static func existing(_ path: String, _ what: String) throws -> String {
        let path = FilePath(path).lexicallyAbsolute
        do {
            try FileDescriptor.open(path, .readOnly, options: .closeOnExec).close()
        } catch {
            throw CLIError("cannot open \(what) \(path): \(error)")
        }
        return path.string
    }
}
