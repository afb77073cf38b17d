// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// A parsed document: the bytes as they came, and a flat tree of ranges over them.
///
/// Strings are made only of what is asked for. What typed readers looked at is marked, so that afterwards it is known
/// what nobody understood. Not `Sendable`: one reading uses it and lets go of it.
package final class XMLDocument {
    /// A piece of text: of the source, or of `decoded` where references or line ends had to be replaced.
    struct TextRange {
        var start: Int32
        var end: Int32
        var isDecoded = false

        init(_ start: Int, _ end: Int, isDecoded: Bool = false) {
            // The size limit of a document keeps both far below the bounds of Int32.
            (self.start, self.end) = (Int32(clamping: start), Int32(clamping: end))
            self.isDecoded = isDecoded
        }

        var bounds: Range<Int> { Int(start)..<Int(end) }
    }

    struct Node {
        enum Kind: UInt8 { case element, text, cdata, comment, instruction }

        var kind: Kind
        var isConsumed = false
        /// An element's name, or the content of what else it is.
        var range: TextRange
        /// Where it begins in the source.
        var offset: Int32
        var parent: Int32 = -1
        var firstChild: Int32 = -1
        var lastChild: Int32 = -1
        var nextSibling: Int32 = -1
        var firstAttribute: Int32 = 0
        var attributeCount: Int32 = 0

        init(_ kind: Kind, range: TextRange, offset: Int) {
            (self.kind, self.range, self.offset) = (kind, range, Int32(clamping: offset))
        }
    }

    struct Attribute {
        var name: TextRange
        var value: TextRange
        var isConsumed = false
    }

    let source: [UInt8]
    let decoded: [UInt8]
    var nodes: [Node]
    var attributes: [Attribute]
    private let rootIndex: Int

    init(source: [UInt8], decoded: [UInt8], nodes: [Node], attributes: [Attribute], rootIndex: Int) {
        (self.source, self.decoded, self.nodes, self.attributes) = (source, decoded, nodes, attributes)
        self.rootIndex = rootIndex
    }

    package var root: XMLElement { XMLElement(document: self, index: rootIndex) }

    func string(_ range: TextRange) -> String {
        String(decoding: (range.isDecoded ? decoded : source)[range.bounds], as: UTF8.self)
    }

    /// Whether the bytes of `range` are those of `literal`.
    func matches(_ range: TextRange, _ literal: StaticString) -> Bool {
        let count = literal.utf8CodeUnitCount
        guard Int(range.end - range.start) == count else { return false }
        return literal.withUTF8Buffer { buffer in
            var position = Int(range.start)
            for byte in buffer {
                guard source[position] == byte else { return false }
                position += 1
            }
            return true
        }
    }

    /// The line of a byte of the source, from 1.
    func line(of offset: Int) -> Int {
        source.prefix(offset).reduce(1) { $1 == UInt8(ascii: "\n") ? $0 + 1 : $0 }
    }

    /// The paths of elements and attributes that nobody has asked for, in the order of the document.
    ///
    /// Of an unknown element only itself is named, not what it holds.
    package func unconsumedPaths() -> [String] { unconsumed().map(\.path) }

    /// What nobody has asked for.
    struct Leftover {
        var path: String
        /// The element, or the one that has the attribute.
        var element: XMLElement
        /// Nil for an element.
        var attribute: String?
    }

    func unconsumed() -> [Leftover] {
        var found: [Leftover] = []
        var pending = [rootIndex]
        while let index = pending.popLast() {
            let (node, element) = (nodes[index], XMLElement(document: self, index: index))
            guard node.isConsumed else {
                found.append(Leftover(path: element.path, element: element))
                continue
            }
            for attribute in element.attributeRange where !attributes[attribute].isConsumed {
                let name = string(attributes[attribute].name)
                guard name != "xmlns", !name.hasPrefix("xmlns:") else { continue }
                found.append(Leftover(path: "\(element.path)/@\(name)", element: element, attribute: name))
            }
            pending += element.elementIndices.reversed()
        }
        return found
    }
}
