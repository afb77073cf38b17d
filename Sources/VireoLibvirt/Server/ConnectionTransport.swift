// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import SystemPackage

/// A descriptor that travels beside a message. (NIO has another type of the plain name.)
package typealias PassedDescriptor = SystemPackage.FileDescriptor

/// The way in which bytes reach one client. Used by its connection only, on the loop of that connection.
package protocol ConnectionTransport: AnyObject {
    /// Bytes that were taken but not sent yet.
    var unsentBytes: Int { get }

    /// Sends bytes, then the descriptors, each with a byte of its own; takes the descriptors over, and leaves `bytes` empty.
    ///
    /// Never waits: what cannot be sent at once is kept. The connection is told `didSend` when some of it went out.
    func send(_ bytes: inout ByteBuffer, descriptors: [PassedDescriptor])

    /// Whether to go on reading from the client.
    func setReading(_ reading: Bool)

    /// Closes after what was taken is sent; or at once.
    func close(afterSending: Bool)
}
