import Glibc

/// Runs blocking work on a thread of its own.
///
/// Not on the cooperative pool, which it would occupy, nor on a dispatch queue, which on Linux adds threads for blocked
/// ones only slowly.
enum DedicatedThread {
    /// The result of `work`.
    static func run<Value: Sendable>(_ work: @escaping @Sendable () -> Value) async -> Value {
        await withCheckedContinuation { continuation in
            start(Work { continuation.resume(returning: work()) })
        }
    }

    private static func start(_ work: Work) {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        pthread_attr_setstacksize(&attributes, 512 << 10)
        var thread = pthread_t()
        let context = Unmanaged.passRetained(work).toOpaque()
        if pthread_create(&thread, &attributes, runWork, context) != 0 {
            // No thread to be had: the work must be done all the same, here.
            _ = runWork(context)
        }
    }
}

/// What a thread is started for.
private final class Work: Sendable {
    let body: @Sendable () -> Void

    init(_ body: @escaping @Sendable () -> Void) {
        self.body = body
    }
}

private nonisolated func runWork(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let context else { return nil }
    Unmanaged<Work>.fromOpaque(context).takeRetainedValue().body()
    return nil
}
