// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

/// The values of variables, for the rules that use them.
struct FilterVariables {
    private var values: [String: [String]]

    init(_ parameters: [PacketFilter.Parameter]) {
        values = parameters.reduce(into: [:]) { $0[$1.name, default: []].append($1.value) }
    }

    subscript(name: String) -> [String] {
        get { values[name] ?? [] }
        set { values[name] = newValue }
    }

    /// With what a reference to a filter adds; what is known already stays.
    func adding(_ parameters: [PacketFilter.Parameter]) -> Self {
        var all = Self(parameters)
        for (name, known) in values { all.values[name] = known }
        return all
    }

    /// Every combination of values for the variables that a rule uses: those with the same iterator change in step, each other
    /// iterator runs through all its values for each of theirs.
    ///
    /// - Throws: `internalError` as libvirt, when a variable has no value, or lists in step differ in length.
    func combinations(of variables: [FilterVariable]) throws(VireoError) -> [[FilterVariable: String]] {
        var fixed: [FilterVariable: String] = [:]
        var iterators: [Int: [FilterVariable]] = [:]
        for variable in Set(variables) {
            let known = self[variable.name]
            switch variable.access {
            case .index(let index):
                guard known.indices.contains(index) else { throw Self.unresolvable(variable.text) }
                fixed[variable] = known[index]
            case .iterator(let id):
                guard !known.isEmpty else { throw Self.unresolvable(variable.name) }
                iterators[id, default: []].append(variable)
            }
        }
        var combinations = [fixed]
        for (_, group) in iterators.sorted(by: { $0.key < $1.key }) {
            let lengths = Set(group.map { self[$0.name].count })
            guard lengths.count == 1, let length = lengths.first else {
                throw VireoError(
                    .internalError, "Cardinality of list items must be the same for processing them in parallel",
                    origin: .nwfilter)
            }
            guard combinations.count * length <= Self.combinationLimit else {
                throw VireoError(
                    .internalError, "a rule would become more than \(Self.combinationLimit) by its variables", origin: .nwfilter)
            }
            combinations = combinations.flatMap { combination in
                (0..<length).map { index in
                    var next = combination
                    for variable in group { next[variable] = self[variable.name][index] }
                    return next
                }
            }
        }
        return combinations
    }

    /// Rules that one rule may become.
    private static let combinationLimit = 4096

    static func unresolvable(_ names: String) -> VireoError {
        VireoError(
            .internalError,
            "Cannot instantiate filter due to unresolvable variables or unavailable list elements: \(names)", origin: .nwfilter)
    }
}

extension PacketFilter.Rule {
    /// The variables that the rule uses.
    var variables: [FilterVariable] {
        (match?.conditions ?? []).compactMap { if case .variable(let variable) = $0.value { variable } else { nil } }
    }
}
