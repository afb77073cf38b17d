// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// A named x86 CPU model and its features, in libvirt's spelling.
package struct X86Model: Hashable, Sendable {
    package var name: String
    /// `Intel`, `AMD`, `Hygon`; nil for a model that belongs to none of them.
    package var vendor: String?
    package var family: Int
    package var model: Int
    package var features: Set<String>
}

extension X86Model {
    /// All models that are known, each after the one that it builds on.
    package static let all: [X86Model] = {
        var models: [X86Model] = []
        for line in X86ModelTable.lines.split(separator: "\n") {
            let words = line.split(separator: " ").map(String.init)
            guard words.count >= 5, let family = Int(words[2]), let number = Int(words[3]) else { continue }
            var features = models.first { $0.name == words[4] }?.features ?? []
            for word in words.dropFirst(5) {
                if word.hasPrefix("-") {
                    features.remove(String(word.dropFirst()))
                } else {
                    features.insert(String(word.dropFirst()))
                }
            }
            models.append(
                X86Model(
                    name: words[0], vendor: words[1] == "unknown" ? nil : words[1], family: family, model: number,
                    features: features))
        }
        return models
    }()

    package static func named(_ name: String) -> X86Model? { all.first { $0.name == name } }

    /// Every feature that has a name.
    package static let knownFeatures: Set<String> = all.reduce(
        into: Set(X86ModelTable.otherFeatures.split(separator: " ").map(String.init))
    ) {
        $0.formUnion($1.features)
    }

    /// The feature that QEMU or the kernel spell differently, in libvirt's spelling.
    ///
    /// `sse4_1` is `sse4.1`, `pclmulqdq` is `pclmuldq`; what needs no translation comes back as it is.
    package static func canonicalName(ofFeature name: String) -> String { spellings[name] ?? name }

    private static let spellings: [String: String] = [
        "xd": "nx", "sse3": "pni", "sse4-1": "sse4.1", "sse4_1": "sse4.1", "sse4-2": "sse4.2", "sse4_2": "sse4.2", "i64": "lm",
        "lahf-lm": "lahf_lm", "ffxsr": "fxsr_opt", "fxsr-opt": "fxsr_opt", "cmp-legacy": "cmp_legacy", "pclmulqdq": "pclmuldq",
        "lzcnt": "abm", "tsc_deadline": "tsc-deadline", "tsc_deadline_timer": "tsc-deadline", "tsc-adjust": "tsc_adjust",
        "nrip_save": "nrip-save", "svm_lock": "svm-lock", "ds_cpl": "ds-cpl", "perfctr-core": "perfctr_core",
        "perfctr-nb": "perfctr_nb", "nodeid-msr": "nodeid_msr", "tsc_scale": "tsc-scale", "vmcb_clean": "vmcb-clean",
        "pause_filter": "pause-filter", "cr8_legacy": "cr8legacy", "sha_ni": "sha-ni", "avx512_vbmi2": "avx512vbmi2",
        "avx512_vnni": "avx512vnni", "avx512_bitalg": "avx512bitalg", "avx512_vpopcntdq": "avx512-vpopcntdq",
        "avx512_bf16": "avx512-bf16", "avx512_4vnniw": "avx512-4vnniw", "avx512_4fmaps": "avx512-4fmaps",
        "avx512_vp2intersect": "avx512-vp2intersect", "arch_capabilities": "arch-capabilities", "intel_pt": "intel-pt",
        "nonstop_tsc": "invtsc", "md_clear": "md-clear", "virt_ssbd": "virt-ssbd", "split_lock_detect": "split-lock-detect",
        "amx_bf16": "amx-bf16", "amx_tile": "amx-tile", "amx_int8": "amx-int8", "avx_vnni": "avx-vnni",
    ]

    /// The model that describes `features` with the fewest additions, of those that lack none of its own features.
    ///
    /// - Parameters:
    ///   - vendor: whose models to prefer; models of other vendors are left out, those of none take part.
    ///   - allowed: names that may be chosen; nil for all.
    /// - Returns: the model and what has to be added to it, sorted.
    package static func closest(
        to features: Set<String>, vendor: String?, allowed: Set<String>? = nil
    ) -> (model: X86Model, additions: [String])? {
        let candidates = all.filter { candidate in
            (allowed?.contains(candidate.name) ?? true) && candidate.features.isSubset(of: features)
                && (vendor == nil || candidate.vendor == nil || candidate.vendor == vendor)
        }
        // Among equals a vendor's own model says more than a generic one, and a later one more than an earlier.
        let best = candidates.max { left, right in
            (left.features.count, left.vendor == nil ? 0 : 1) < (right.features.count, right.vendor == nil ? 0 : 1)
        }
        return best.map { ($0, features.subtracting($0.features).sorted()) }
    }
}
