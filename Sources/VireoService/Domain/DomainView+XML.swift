// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoXML

extension DomainView {
    /// The XML that `dumpxml` shows; `options.id` is filled in here.
    package func xml(_ options: WriteOptions) -> String {
        guard let definition = definition(inactive: options.isInactive) else { return "" }
        var options = options
        options.id = isActive && !options.isInactive ? id : nil
        options.isInactive = options.isInactive || !isActive
        return DomainXML.write(definition, options)
    }
}
