// SPDX-License-Identifier: Apache-2.0

package import Environment
package import NIOCore
package import NIOPosix

/// An event loop as the engine sees it: a serial executor.
package final class EventLoopExecutor: Environment::Executor {
    /// The loop that runs the jobs.
    package let eventLoop: any EventLoop

    package init(_ eventLoop: any EventLoop) { self.eventLoop = eventLoop }

    package func execute(_ job: @escaping @Sendable () -> Void) { eventLoop.execute(job) }

    package func schedule(after nanoseconds: UInt64, _ job: @escaping @Sendable () -> Void) {
        let delay = TimeAmount.nanoseconds(Int64(clamping: nanoseconds))
        _ = eventLoop.scheduleTask(in: delay, job)
    }

    package var isCurrent: Bool { eventLoop.inEventLoop }

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        eventLoop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}


/// A node's event loops, one a shard, each with its one executor.
package final class ShardLoops: Sendable {
    /// The threads.
    package let group: MultiThreadedEventLoopGroup
    /// The executor of each shard, by its number.
    package let executors: [EventLoopExecutor]

    /// Starts `count` threads.
    package init(count: Int) {
        group = MultiThreadedEventLoopGroup(numberOfThreads: count)
        executors = group.makeIterator().map { EventLoopExecutor($0) }
    }

    /// The number of shards.
    package var count: Int { executors.count }

    /// The executor of a shard, as the engine sees it.
    package func executor(of shard: Int) -> any Environment::Executor { executors[shard] }

    /// The shard that runs on `loop`; nil for a loop of another group.
    package func shard(of loop: any EventLoop) -> Int? {
        executors.firstIndex { $0.eventLoop === loop }
    }

    /// Stops the threads. Connections and servers on them are to be closed before.
    package func shutdown() async {
        do {
            try await group.shutdownGracefully()
        } catch {
            // Only a second shutdown fails, and then the threads are gone already.
            return
        }
    }
}
