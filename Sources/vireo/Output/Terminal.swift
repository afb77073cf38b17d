// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// One of the standard streams, and what kind of thing it leads to.
struct Terminal: Sendable {
    let descriptor: CInt

    static let standardInput = Self(descriptor: STDIN_FILENO)
    static let standardOutput = Self(descriptor: STDOUT_FILENO)
    static let standardError = Self(descriptor: STDERR_FILENO)

    var isTerminal: Bool { isatty(descriptor) == 1 }

    /// Columns and rows, or nil where this is no terminal.
    var size: (columns: Int, rows: Int)? {
        var window = winsize()
        guard ioctl(descriptor, UInt(TIOCGWINSZ), &window) == 0, window.ws_col > 0 else { return nil }
        return (Int(window.ws_col), Int(window.ws_row))
    }

    /// Writes all of `text`; a closed pipe ends the program quietly, as for other Unix tools.
    func write(_ text: String) { write(Array(text.utf8)[...]) }

    /// Writes all of `bytes`, waiting where the other end is slow.
    func write(_ bytes: ArraySlice<UInt8>) {
        var rest = bytes
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno == EAGAIN {
                var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = poll(&waiting, 1, 1000)
            } else if errno != EINTR {
                exit(errno == EPIPE ? 0 : 1)
            }
        }
    }

    /// Waits until bytes come, at most 4,096; nil at the end of input.
    func read() -> [UInt8]? {
        while true {
            var count = 0
            let bytes = [UInt8](unsafeUninitializedCapacity: 4096) { buffer, initialized in
                count = Glibc.read(descriptor, buffer.baseAddress, 4096)
                initialized = max(0, count)
            }
            if count > 0 { return bytes }
            guard count < 0, errno == EINTR else { return nil }
        }
    }

    /// Passes each key on as it is pressed, without echo and without signals, until the returned state is restored.
    ///
    /// Returns nil where this is no terminal.
    func makeRaw() -> SavedState? {
        var state = termios()
        guard tcgetattr(descriptor, &state) == 0 else { return nil }
        let saved = SavedState(descriptor: descriptor, state: state)
        cfmakeraw(&state)
        tcsetattr(descriptor, TCSADRAIN, &state)
        return saved
    }

    /// The settings of a terminal before they were changed.
    struct SavedState {
        fileprivate let descriptor: CInt
        fileprivate let state: termios

        func restore() {
            var state = state
            tcsetattr(descriptor, TCSADRAIN, &state)
        }
    }
}
