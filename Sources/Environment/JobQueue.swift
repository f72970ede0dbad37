// SPDX-License-Identifier: Apache-2.0

/// Jobs in order of arrival and timers in order of time: the core of every executor here. Not safe by
/// itself; its owner holds a lock.
struct JobQueue {
    typealias Job = @Sendable () -> Void

    private struct Timer {
        let deadline: UInt64
        let job: Job
    }

    private var jobs: [Job?] = []
    private var head = 0
    /// The latest deadline first, so that the next one is at the end; equal ones keep their order.
    private var timers: [Timer] = []

    /// How many jobs can run now.
    var readyCount: Int { jobs.count - head }

    /// When the next timer is due; nil without timers.
    var nextDeadline: UInt64? { timers.last?.deadline }

    mutating func append(_ job: @escaping Job) { jobs.append(job) }

    mutating func append(deadline: UInt64, _ job: @escaping Job) {
        var low = 0
        var high = timers.count
        while low < high {
            let middle = (low + high) / 2
            if timers[middle].deadline >= deadline { low = middle + 1 } else { high = middle }
        }
        // Equal deadlines: the newer one stands before the older ones, which are taken from the end.
        while low > 0, timers[low - 1].deadline == deadline { low -= 1 }
        timers.insert(Timer(deadline: deadline, job: job), at: low)
    }

    /// Makes the timers that are due at `now` ready, after the jobs that are.
    mutating func promoteTimers(now: UInt64) {
        while let timer = timers.last, timer.deadline <= now {
            timers.removeLast()
            jobs.append(timer.job)
        }
    }

    /// Takes the oldest job.
    mutating func popFirst() -> Job? {
        guard head < jobs.count else { return nil }
        let job = jobs[head]
        jobs[head] = nil
        head += 1
        if head == jobs.count {
            // A queue that once was long gives its memory back.
            jobs.removeAll(keepingCapacity: jobs.capacity <= 1024)
            head = 0
        } else if head >= 1024, head * 2 > jobs.count {
            jobs.removeFirst(head)
            head = 0
        }
        return job
    }

    /// Takes the job at `index` among the ready ones.
    mutating func pop(at index: Int) -> Job? {
        guard index >= 0, index < readyCount else { return nil }
        jobs.swapAt(head, head + index)
        return popFirst()
    }

    mutating func removeTimers() { timers.removeAll() }
}
