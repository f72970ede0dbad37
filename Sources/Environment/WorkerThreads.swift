// SPDX-License-Identifier: Apache-2.0

internal import Bytes

#if canImport(Glibc)
import Glibc
#endif

/// Threads that serve one queue of jobs and timers: what `ThreadExecutor` and `ThreadPoolExecutor`
/// are made of.
final class WorkerThreads: @unchecked Sendable {  // State: `lock`.
    private let lock = Lock()
    private var queue = JobQueue()
    private var stopping = false
    private let name: String
    /// Whether the threads run at low priority.
    private let yields: Bool
    private var threads: [pthread_t] = []

    init(count: Int, name: String, yields: Bool = false) {
        invariant(count >= 1, "an executor needs a thread")
        self.name = name
        self.yields = yields
        for _ in 0..<count { threads.append(WorkerThreads.start(self)) }
    }

    /// Names the calling thread for `top` and `perf`. The kernel keeps 15 bytes.
    private static func setThreadName(_ name: String) {
        let descriptor = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        let bytes = Array(name.utf8.prefix(15))
        _ = write(descriptor, bytes, bytes.count)
        close(descriptor)
    }

    /// Gives the calling thread a tenth of the weight that others have: it runs when they leave something,
    /// and a little when they don't. That it is refused does no harm.
    private static func lowerPriority() { _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 10) }

    private static func start(_ workers: WorkerThreads) -> pthread_t {
        var thread = pthread_t()
        let context = Unmanaged.passRetained(workers).toOpaque()
        let status = pthread_create(&thread, nil, { context in
            guard let context else { return nil }
            let workers = Unmanaged<WorkerThreads>.fromOpaque(context).takeRetainedValue()
            WorkerThreads.setThreadName(workers.name)
            if workers.yields { WorkerThreads.lowerPriority() }
            CurrentExecutor.with(workers) { workers.work() }
            return nil
        }, context)
        invariant(status == 0, "the system refused a thread (error \(status))")
        return thread
    }

    var isCurrent: Bool { CurrentExecutor.isCurrent(self) }

    func execute(_ job: @escaping @Sendable () -> Void) {
        let isTaken = lock.withLock {
            guard !stopping else { return false }
            queue.append(job)
            return true
        }
        // Without the lock, which the woken thread takes first.
        if isTaken { lock.signal() }
    }

    func schedule(after nanoseconds: UInt64, _ job: @escaping @Sendable () -> Void) {
        let (deadline, overflow) = SystemClock.monotonicNow().addingReportingOverflow(nanoseconds)
        lock.withLock {
            guard !stopping else { return }
            queue.append(deadline: overflow ? .max : deadline, job)
            lock.signal()
        }
    }

    /// Runs what is queued, drops the timers, and waits for the threads to end.
    func stop() {
        invariant(!isCurrent, "an executor cannot wait for itself")
        let threads = lock.withLock {
            stopping = true
            queue.removeTimers()
            lock.broadcast()
            defer { self.threads = [] }
            return self.threads
        }
        for thread in threads { pthread_join(thread, nil) }
    }

    /// The life of one thread.
    private func work() {
        while let job = nextJob() { job() }
    }

    private func nextJob() -> JobQueue.Job? {
        lock.lock()
        defer { lock.unlock() }
        while true {
            if queue.nextDeadline != nil { queue.promoteTimers(now: SystemClock.monotonicNow()) }
            if let job = queue.popFirst() {
                // A timer may have made several jobs ready at once.
                if queue.readyCount > 0 { lock.signal() }
                return job
            }
            if stopping { return nil }
            if let deadline = queue.nextDeadline {
                lock.wait(until: deadline)
            } else {
                lock.wait()
            }
        }
    }
}

/// Which executor the calling thread works for at the moment.
enum CurrentExecutor {
    private static let key: pthread_key_t = {
        var key = pthread_key_t()
        let status = pthread_key_create(&key, nil)
        invariant(status == 0, "the system refused a thread-local value")
        return key
    }()

    /// Calls `body` as work of `executor`.
    static func with(_ executor: AnyObject, _ body: () -> Void) {
        let outer = pthread_getspecific(key)
        pthread_setspecific(key, Unmanaged.passUnretained(executor).toOpaque())
        body()
        pthread_setspecific(key, outer)
    }

    static func isCurrent(_ executor: AnyObject) -> Bool {
        pthread_getspecific(key) == Unmanaged.passUnretained(executor).toOpaque()
    }
}
