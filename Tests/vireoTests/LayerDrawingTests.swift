// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoCore

@testable import vireo

@Suite("Drawing of layers")
struct LayerDrawingTests {
    private let answer: JSONValue = [
        "layers": [
            [
                "path": "/i/base.qcow2", "format": "qcow2", "allocatedBytes": 4096, "exists": true, "baseChanged": false,
                "users": [["uuid": "u1", "name": "a", "disk": "vda", "active": true, "path": "/i/o1.qcow2"]],
            ],
            [
                "path": "/i/o1.qcow2", "format": "qcow2", "backing": "/i/base.qcow2", "allocatedBytes": 1024, "exists": true,
                "baseChanged": true,
                "users": [["uuid": "u1", "name": "a", "disk": "vda", "active": true, "path": "/i/o1.qcow2"]],
            ],
            [
                "path": "/i/o2 \"<&>.qcow2", "format": "qcow2", "backing": "/i/base.qcow2", "exists": false,
                "baseChanged": false, "users": [],
            ],
            [
                "path": "/i/other.raw", "format": "raw", "allocatedBytes": 0, "exists": true, "baseChanged": false,
                "users": [["uuid": "u2", "name": "b", "snapshot": "s1", "path": "/i/other.raw"]],
            ],
        ]
    ]

    @Test("The tree goes from bases up, with sizes, dangers and users")
    func tree() {
        #expect(
            LayerDrawing(answer).tree == """
                /i/base.qcow2  (qcow2, 4 KiB on disk, 2 stand on it)
                ├── /i/o1.qcow2  (qcow2, 1 KiB on disk, its base was changed) used by a (vda)*
                └── /i/o2 "<&>.qcow2  (qcow2, gone)
                /i/other.raw  (raw, 0 B on disk) used by b (snapshot s1)

                """)
    }

    @Test("What is wrong is said of each image")
    func problems() {
        #expect(
            LayerDrawing(answer).problems == [
                "/i/o1.qcow2: stands on /i/base.qcow2, which was changed since", "/i/o2 \"<&>.qcow2: is gone",
            ])
    }

    @Test("A machine or a path leaves only what has to do with it")
    func keep() throws {
        var drawing = LayerDrawing(answer)
        try drawing.keep("a")
        #expect(drawing.layers.keys.sorted() == ["/i/base.qcow2", "/i/o1.qcow2"])
        drawing = LayerDrawing(answer)
        try drawing.keep("/i/base.qcow2")
        #expect(drawing.layers.count == 3)
        #expect(throws: CLIError.self) { try drawing.keep("nobody") }
    }

    @Test("Names are quoted in both drawings")
    func quoting() {
        let drawing = LayerDrawing(answer)
        #expect(drawing.dot.contains(#""/i/o2 \"<&>.qcow2" -> "/i/base.qcow2";"#))
        #expect(drawing.svg.contains("o2 \"&lt;&amp;&gt;.qcow2"))
    }

    @Test("A circle is drawn once")
    func circle() {
        let circle: JSONValue = [
            "layers": [
                ["path": "/a", "backing": "/b", "format": "qcow2", "users": []],
                ["path": "/b", "backing": "/a", "format": "qcow2", "users": []],
            ]
        ]
        #expect(LayerDrawing(circle).tree.split(separator: "\n").count == 2)
    }
}
