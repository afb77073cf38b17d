// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// The sets of key codes that a client may speak; libvirt's `virKeycodeSet`.
package enum KeyCodeSet: UInt32, Hashable, Sendable {
    case linux = 0, xt, atset1, atset2, atset3, osX, xtKeyboard, usb, win32, qnum
}

/// Translates key codes to QEMU's: scan code set 1, with bit 7 in place of the prefix 0xe0.
package enum KeyCodes {
    /// Keys in one message: `VIR_DOMAIN_SEND_KEY_MAX_KEYS`.
    package static let limit = 16

    /// QEMU's number of a key; nil where the set does not have the code, or is one that is not translated.
    package static func qemu(_ code: UInt32, in set: KeyCodeSet) -> Int64? {
        switch set {
        case .linux: linux(code)
        case .qnum: code > 0 && code < 256 ? Int64(code) : nil
        case .xt, .atset1: code & 0xff00 == 0xe000 ? Int64(code & 0x7f | 0x80) : code > 0 && code < 0x80 ? Int64(code) : nil
        case .usb: usb.indices.contains(Int(code)) ? linux(usb[Int(code)]) : usbModifiers(code)
        case .win32: win32(code).flatMap(linux)
        case .atset2, .atset3, .osX, .xtKeyboard: nil
        }
    }

    /// From `linux/input-event-codes.h`: up to 88 they are the scan codes themselves.
    private static func linux(_ code: UInt32) -> Int64? {
        (1...83).contains(code) || (86...88).contains(code) ? Int64(code) : linuxExtended[code]
    }

    private static let linuxExtended: [UInt32: Int64] = [
        85: 0x76, 89: 0x73, 90: 0x78, 91: 0x77, 92: 0x79, 93: 0x70, 94: 0x7b, 95: 0x5c, 96: 0x9c, 97: 0x9d, 98: 0xb5, 99: 0x54,
        100: 0xb8, 101: 0x5b, 102: 0xc7, 103: 0xc8, 104: 0xc9, 105: 0xcb, 106: 0xcd, 107: 0xcf, 108: 0xd0, 109: 0xd1, 110: 0xd2,
        111: 0xd3, 113: 0xa0, 114: 0xae, 115: 0xb0, 116: 0xde, 117: 0x59, 119: 0xc6, 121: 0x7e, 122: 0x72, 123: 0x71, 124: 0x7d,
        125: 0xdb, 126: 0xdc, 127: 0xdd, 128: 0xe8, 140: 0xa1, 142: 0xdf, 143: 0xe3, 155: 0xec, 156: 0xe6, 157: 0xeb, 158: 0xea,
        159: 0xe9, 163: 0x99, 164: 0xa2, 165: 0x90, 166: 0xa4, 172: 0xb2, 173: 0xe7, 217: 0xe5,
    ]

    /// Linux codes of the USB usages 0 to 101 (HID Usage Tables, keyboard page).
    private static let usb: [UInt32] = [
        0, 0, 0, 0, 30, 48, 46, 32, 18, 33, 34, 35, 23, 36, 37, 38, 50, 49, 24, 25, 16, 19, 31, 20, 22, 47, 17, 45, 21, 44, 2, 3,
        4,
        5, 6, 7, 8, 9, 10, 11, 28, 1, 14, 15, 57, 12, 13, 26, 27, 43, 43, 39, 40, 41, 51, 52, 53, 58, 59, 60, 61, 62, 63, 64, 65,
        66,
        67, 68, 87, 88, 99, 70, 119, 110, 102, 104, 111, 107, 109, 106, 105, 108, 103, 69, 98, 55, 74, 78, 96, 79, 80, 81, 75, 76,
        77,
        71, 72, 73, 82, 83, 86, 127,
    ]

    private static func usbModifiers(_ code: UInt32) -> Int64? {
        let keys: [UInt32: UInt32] = [0xe0: 29, 0xe1: 42, 0xe2: 56, 0xe3: 125, 0xe4: 97, 0xe5: 54, 0xe6: 100, 0xe7: 126]
        return keys[code].flatMap(linux)
    }

    /// Linux codes of Windows' virtual keys.
    private static func win32(_ code: UInt32) -> UInt32? {
        let letters: [UInt32] = [
            30, 48, 46, 32, 18, 33, 34, 35, 23, 36, 37, 38, 50, 49, 24, 25, 16, 19, 31, 20, 22, 47, 17, 45, 21, 44,
        ]
        switch code {
        case 0x41...0x5a: return letters[Int(code - 0x41)]
        case 0x31...0x39: return code - 0x31 + 2
        case 0x30: return 11
        case 0x70...0x79: return code - 0x70 + 59
        default: return win32Others[code]
        }
    }

    private static let win32Others: [UInt32: UInt32] = [
        0x08: 14, 0x09: 15, 0x0d: 28, 0x10: 42, 0x11: 29, 0x12: 56, 0x13: 119, 0x14: 58, 0x1b: 1, 0x20: 57, 0x21: 104, 0x22: 109,
        0x23: 107, 0x24: 102, 0x25: 105, 0x26: 103, 0x27: 106, 0x28: 108, 0x2c: 99, 0x2d: 110, 0x2e: 111, 0x5b: 125, 0x5c: 126,
        0x5d: 127, 0x60: 82, 0x61: 79, 0x62: 80, 0x63: 81, 0x64: 75, 0x65: 76, 0x66: 77, 0x67: 71, 0x68: 72, 0x69: 73, 0x6a: 55,
        0x6b: 78, 0x6d: 74, 0x6e: 83, 0x6f: 98, 0x7a: 87, 0x7b: 88, 0x90: 69, 0x91: 70, 0xa0: 42, 0xa1: 54, 0xa2: 29, 0xa3: 97,
        0xa4: 56, 0xa5: 100, 0xba: 39, 0xbb: 13, 0xbc: 51, 0xbd: 12, 0xbe: 52, 0xbf: 53, 0xc0: 41, 0xdb: 26, 0xdc: 43, 0xdd: 27,
        0xde: 40, 0xe2: 86,
    ]
}
