/// Runs work that must be done within so many seconds.
enum Deadline {
    /// The result of `work`, or `timedOut` and `work` cancelled.
    static func run<Value: Sendable>(
        seconds: Int64,
        _ work: @escaping @Sendable () async throws(HTTPTransportError) -> Value
    ) async throws(HTTPTransportError) -> Value {
        let result = await withTaskGroup(of: Result<Value, HTTPTransportError>.self) { group in
            group.addTask {
                do throws(HTTPTransportError) {
                    return .success(try await work())
                } catch {
                    return .failure(error)
                }
            }
            group.addTask {
                do {
                    try await Task.sleep(for: .seconds(seconds))
                    return .failure(.timedOut(seconds: seconds))
                } catch {
                    return .failure(.cancelled)
                }
            }
            let first = await group.next() ?? .failure(.cancelled)
            group.cancelAll()
            return first
        }
        return try result.get()
    }
}
