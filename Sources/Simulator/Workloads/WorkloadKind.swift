// SPDX-License-Identifier: Apache-2.0

/// The workloads that there are.
package enum WorkloadKind: String, Sendable, CaseIterable {
    case conditional
    case register
    case set
    case batch
    case schema
    case hints
    case counter

    func make(_ context: WorkloadContext) -> any Workload {
        switch self {
        case .conditional: ConditionalWorkload(context)
        case .register: RegisterWorkload(context)
        case .set: SetWorkload(context)
        case .batch: BatchWorkload(context)
        case .schema: SchemaWorkload(context)
        case .hints: HintWorkload(context)
        case .counter: CounterWorkload(context)
        }
    }
}
