// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore

/// An image that QEMU gets as a descriptor, and opens by the name of the set that it is in (`add-fd` in QEMU's qapi/misc.json).
package struct PassedImage: Hashable, Sendable {
    package var set: Int64
    /// The descriptor, as QEMU inherits it.
    package var number: CInt
    /// Noted beside the descriptor, so that whoever asks QEMU for its sets can tell whose they are.
    package var path: String
    package var isWritable: Bool

    package init(set: Int64, number: CInt, path: String, isWritable: Bool) {
        (self.set, self.number, self.path, self.isWritable) = (set, number, path, isWritable)
    }
}

extension [String: PassedImage] {
    /// `node` with the set of its image in the place of the path.
    func placing(_ node: JSONObject) -> JSONObject {
        guard let image = node["node-name"]?.stringValue.flatMap({ self[$0] }) else { return node }
        return DescriptorSets.options(node, set: image.set, isWritable: image.isWritable)
    }
}

/// Names and options of what is opened from a set of descriptors.
package enum DescriptorSets {
    private static let prefix = "/dev/fdset/"

    package static func name(_ set: Int64) -> String { prefix + "\(set)" }

    /// The set that a name of QEMU's stands for; nil for any other name.
    package static func number(_ name: some StringProtocol) -> Int64? {
        name.hasPrefix(prefix) ? Int64(name.dropFirst(prefix.count)) : nil
    }

    /// The path that a protocol node opens; nil for nodes that open none.
    package static func path(of node: JSONObject) -> String? {
        guard ["file", "host_device"].contains(node["driver"]?.stringValue), let path = node["filename"]?.stringValue,
            path.hasPrefix("/"), number(path) == nil
        else { return nil }
        return path
    }

    /// The options of a protocol node that opens its image from `set`.
    ///
    /// It keeps the access that it was opened for: there is one descriptor in the set, for reading or for both.
    package static func options(_ node: JSONObject, set: Int64, isWritable: Bool) -> JSONObject {
        var node = node
        node["filename"] = .string(name(set))
        node["auto-read-only"] = nil
        node["read-only"] = .bool(!isWritable)
        return node
    }

    /// `text` with paths in the place of names of sets, wherever they are in it.
    package static func naming(_ text: String, _ paths: [Int64: String]) -> String {
        guard text.contains(prefix) else { return text }
        var (rest, named) = (text[...], "")
        while let start = rest.firstRange(of: prefix) {
            named += rest[..<start.lowerBound]
            let digits = rest[start.upperBound...].prefix { $0.isASCII && $0.isNumber }
            if let set = Int64(digits), let path = paths[set] {
                named += path
            } else {
                named += rest[start.lowerBound..<digits.endIndex]
            }
            rest = rest[digits.endIndex...]
        }
        return named + rest
    }

    /// An answer about block nodes with paths in the place of names of sets.
    ///
    /// QEMU names a node with layers by a `json:` text of all of them, cut where it becomes long, once the layer below has another name
    /// than the image says, as a set's is. It gets the name that it would have by its path.
    ///
    /// - Parameter nodes: the sets by the names of the protocol nodes on them.
    package static func naming(_ value: JSONValue, _ paths: [Int64: String], nodes: [String: Int64]) -> JSONValue {
        switch value {
        case .string(let text): return .string(naming(text, paths))
        case .array(let values): return .array(values.map { naming($0, paths, nodes: nodes) })
        case .object(var object):
            object = JSONObject(object.members.map { ($0.key, naming($0.value, paths, nodes: nodes)) })
            if let node = object["node-name"]?.stringValue, let storage = BlockNodes.storageNode(below: node),
                let path = nodes[storage].flatMap({ paths[$0] })
            {
                object.replace("file", with: .string(path))
                if case .object(var image)? = object["image"] {
                    image.replace("filename", with: .string(path))
                    object.replace("image", with: .object(image))
                }
            }
            return .object(object)
        default: return value
        }
    }
}

extension JSONObject {
    /// Changes a member where it stands; one that is not there stays away.
    fileprivate mutating func replace(_ key: String, with value: JSONValue) {
        guard let index = members.firstIndex(where: { $0.key == key }) else { return }
        members[index].value = value
    }
}
