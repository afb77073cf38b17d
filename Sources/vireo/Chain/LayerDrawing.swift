// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import VireoCore

/// The graph of images as the daemon tells it, for people.
struct LayerDrawing {
    struct Layer {
        var path: String
        var format: String
        /// The path of what it stands on.
        var backing: String?
        /// nil for a file that is gone.
        var allocatedBytes: UInt64?
        var isBaseChanged: Bool
        /// Layers from here down, where they are more than is wanted.
        var excessiveDepth: Int?
        /// Who names this image: "web1 (vda)", with a star where the machine runs, "web1 (snapshot s1)".
        var users: [String]
        /// Names and UUIDs of all machines that need it.
        fileprivate var names: Set<String>
        fileprivate var json: JSONValue
    }

    private(set) var layers: [String: Layer] = [:]
    private var above: [String: [String]] = [:]

    init(_ answer: JSONValue) {
        let limit = answer["depthLimit"]?.intValue ?? 0
        for json in answer["layers"]?.arrayValue ?? [] {
            guard let path = json["path"]?.stringValue else { continue }
            let users = json["users"]?.arrayValue ?? []
            layers[path] = Layer(
                path: path, format: json["format"]?.stringValue ?? "?", backing: json["backing"]?.stringValue,
                allocatedBytes: json["allocatedBytes"]?.uint64Value, isBaseChanged: json["baseChanged"]?.boolValue ?? false,
                excessiveDepth: json["depth"]?.intValue.flatMap { limit > 0 && $0 > limit ? $0 : nil },
                users: users.filter { $0["path"]?.stringValue == path }.map { user in
                    let part = user["snapshot"]?.stringValue.map { "snapshot \($0)" } ?? user["disk"]?.stringValue ?? "?"
                    return "\(user["name"]?.stringValue ?? "?") (\(part))" + (user["active"]?.boolValue == true ? "*" : "")
                },
                names: Set(users.flatMap { [$0["name"]?.stringValue, $0["uuid"]?.stringValue].compactMap { $0 } }), json: json)
        }
        link()
    }

    private mutating func link() {
        above = [:]
        for layer in layers.values.sorted(by: { $0.path < $1.path }) {
            if let backing = layer.backing, layers[backing] != nil { above[backing, default: []].append(layer.path) }
        }
    }

    /// Drops what has nothing to do with a machine, or with the image at a path.
    /// - Throws: when there is no such machine or image.
    mutating func keep(_ subject: String) throws {
        let kept: Set<String>
        if subject.contains("/") {
            let path = FilePath(subject).lexicallyAbsolute.string
            guard layers[path] != nil else { throw CLIError("no image is known at '\(path)'") }
            kept = Set(chain(from: path)).union(standing(on: path))
        } else {
            kept = Set(layers.values.filter { $0.names.contains(subject) }.map(\.path))
            guard !kept.isEmpty else { throw CLIError(.noSuchDomain, "no machine '\(subject)' has a disk image") }
        }
        layers = layers.filter { kept.contains($0.key) }
        link()
    }

    private func chain(from path: String) -> [String] {
        var (found, next) = ([String](), Optional(path))
        while let current = next, layers[current] != nil, !found.contains(current) {
            found.append(current)
            next = layers[current]?.backing
        }
        return found
    }

    private func standing(on path: String) -> Set<String> {
        var (found, open) = (Set<String>(), [path])
        while let next = open.popLast() {
            for overlay in above[next] ?? [] where found.insert(overlay).inserted { open.append(overlay) }
        }
        return found
    }

    var json: JSONValue {
        .object(["layers": .array(layers.values.sorted { $0.path < $1.path }.map(\.json))])
    }

    /// What a person has to look at, a line each.
    var problems: [String] {
        layers.values.sorted { $0.path < $1.path }.flatMap { layer -> [String] in
            var problems: [String] = []
            if layer.allocatedBytes == nil { problems.append("\(layer.path): is gone") }
            if layer.isBaseChanged, let backing = layer.backing {
                problems.append("\(layer.path): stands on \(backing), which was changed since")
            }
            return problems
        }
    }

    /// Images from the bases up; for each step of depth, whether it is the last of its siblings.
    private var rows: [(layer: Layer, isLast: [Bool])] {
        var rows: [(Layer, [Bool])] = []
        var seen: Set<String> = []
        func add(_ path: String, _ isLast: [Bool]) {
            guard let layer = layers[path], seen.insert(path).inserted else { return }
            rows.append((layer, isLast))
            let children = above[path] ?? []
            for (index, child) in children.enumerated() { add(child, isLast + [index == children.count - 1]) }
        }
        for root in layers.keys.sorted() where layers[root]?.backing.map({ layers[$0] == nil }) ?? true { add(root, []) }
        // What is left stands on itself in a circle.
        for path in layers.keys.sorted() { add(path, []) }
        return rows
    }

    private func facts(_ layer: Layer) -> String {
        var facts = [layer.format, layer.allocatedBytes.map { "\(Format.bytes($0)) on disk" } ?? "gone"]
        let needed = standing(on: layer.path).count
        if needed > 0 { facts.append("\(needed) stand\(needed == 1 ? "s" : "") on it") }
        if layer.isBaseChanged { facts.append("its base was changed") }
        if let depth = layer.excessiveDepth { facts.append("\(depth) layers deep: vireo chain compact") }
        return "(" + facts.joined(separator: ", ") + ")"
            + (layer.users.isEmpty ? "" : " used by " + layer.users.joined(separator: ", "))
    }

    var tree: String {
        rows.map { row in
            var prefix = row.isLast.dropLast().map { $0 ? "    " : "│   " }.joined()
            if let last = row.isLast.last { prefix += last ? "└── " : "├── " }
            return "\(prefix)\(row.layer.path)  \(facts(row.layer))\n"
        }.joined()
    }

    /// For Graphviz.
    var dot: String {
        var text = "digraph layers {\n  rankdir=BT;\n  node [shape=box, fontname=\"monospace\"];\n"
        for row in rows {
            text += "  \(Self.quoted(row.layer.path)) [label=\(Self.quoted("\(row.layer.path)\n\(facts(row.layer))"))];\n"
            if let backing = row.layer.backing { text += "  \(Self.quoted(row.layer.path)) -> \(Self.quoted(backing));\n" }
        }
        return text + "}\n"
    }

    private static func quoted(_ text: String) -> String {
        let escaped = text.map { character in
            switch character {
            case "\"", "\\": "\\\(character)"
            case "\n": "\\n"
            default: "\(character)"
            }
        }
        return "\"\(escaped.joined())\""
    }

    /// Rows of text, with lines from each image to what it stands on.
    var svg: String {
        let (lineHeight, indent, letter) = (24, 28, 8)
        let rows = rows
        let widths = rows.map { $0.isLast.count * indent + ($0.layer.path.count + facts($0.layer).count + 2) * letter }
        var text = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"\(40 + (widths.max() ?? 0))\""
        text += " height=\"\(rows.count * lineHeight + 16)\" font-family=\"monospace\" font-size=\"13\">\n"
        var places: [String: Int] = [:]
        for (index, row) in rows.enumerated() {
            places[row.layer.path] = index
            let (x, y) = (16 + row.isLast.count * indent, 20 + index * lineHeight)
            if let backing = row.layer.backing, let parent = places[backing] {
                let line = "M\(x - indent + 6) \(25 + parent * lineHeight)V\(y - 4)H\(x - 4)"
                text += "<path d=\"\(line)\" fill=\"none\" stroke=\"#888\"/>\n"
            }
            let isBad = row.layer.allocatedBytes == nil || row.layer.isBaseChanged
            text += "<text x=\"\(x)\" y=\"\(y)\" fill=\"\(isBad ? "#b00020" : "#222")\">\(Self.escaped(row.layer.path)) "
            text += "<tspan fill=\"#666\">\(Self.escaped(facts(row.layer)))</tspan></text>\n"
        }
        return text + "</svg>\n"
    }

    private static func escaped(_ text: String) -> String {
        let escaped = text.map { character in
            switch character {
            case "&": "&amp;"
            case "<": "&lt;"
            case ">": "&gt;"
            default: "\(character)"
            }
        }
        return escaped.joined()
    }
}
