// Being reached by a second node: a new version may leave this node able to call the service, and deaf to everybody else.
//
// Parties: this node (listens for a minute on the address that it calls the service from), the fleet service (asks another
// node to come; believed nothing), the visitor (any node of the tailnet that its owner lets reach others).
// What counts is what this node saw: somebody who is neither itself nor the service connected and said the nonce, which is
// made anew for each confirmation. Nothing is answered, nothing else is read.

import ByteCoding
import MusterAPI
import MusterKeys
import MusterModel
import MusterSystem

/// Waits until a second node has reached this one.
public protocol SecondNodeWaiting: Sendable {
    /// Nil once a second node was here within `seconds`, else why none was.
    func visit(for rollout: RolloutID, within seconds: Int64) async -> String?
}

/// The fleet service as far as it can send somebody.
public protocol ReachService: Sendable {
    /// Asks that another node visits this one.
    func reach(_ request: ReachRequest) async throws(FleetServiceError) -> ReachReply
}

/// Waits for a second node over the network.
public struct SecondNode: SecondNodeWaiting {
    private let service: any ReachService
    /// Host and port of the fleet service.
    private let host: String
    private let port: UInt16
    private let clock: AgentClock
    /// Milliseconds between two requests.
    private let pause: Int64

    /// Visits asked for at the service that is at `host`.
    public init(service: any ReachService, host: String, port: UInt16, clock: AgentClock, pause: Int64 = 10000) {
        self.service = service
        self.host = host
        self.port = port
        self.clock = clock
        self.pause = pause
    }

    /// Listens, asks, and waits.
    public func visit(for rollout: RolloutID, within seconds: Int64) async -> String? {
        let listener: VisitListener
        let others: Set<String>
        do throws(SystemError) {
            let service = try await NumericAddresses.of(host: host)
            guard let first = service.first else { return "\(host) has no address" }
            listener = try VisitListener(try NumericAddresses.towards(first, port: port))
            others = Set(service + (try NumericAddresses.networks()).map { String($0.prefix { $0 != "/" }) })
        } catch {
            return "no second node can come: \(error)"
        }
        let nonce = RandomBytes.make(ReachTask.nonceLength)
        let request = ReachRequest(
            rollout: rollout,
            address: listener.address,
            port: Int(listener.port),
            nonce: nonce
        )
        let own = listener.address
        return await withTaskGroup(of: Ending.self) { group in
            group.addTask {
                .waited(
                    await listener.visitor(saying: ReachLine.text(nonce), within: .seconds(seconds)) { address in
                        address != own && !others.contains(address)
                    }
                )
            }
            group.addTask { .asked(await ask(request)) }
            var words = ""
            for await ending in group {
                switch ending {
                case .waited(let visitor):
                    group.cancelAll()
                    if visitor != nil { return nil }
                case .asked(let said): words = said
                }
            }
            return "no second node came within \(seconds) seconds" + (words.isEmpty ? "" : ": \(words)")
        }
    }

    private enum Ending: Sendable {
        /// The time is over, or somebody came.
        case waited(String?)
        /// The last that the service said.
        case asked(String)
    }

    /// Asks once, and again until the task is cancelled: whoever was asked first may be gone.
    private func ask(_ request: ReachRequest) async -> String {
        var words = ""
        repeat {
            do throws(FleetServiceError) {
                words = try await service.reach(request).detail
            } catch {
                if !Task.isCancelled { words = error.message }
            }
            try? await clock.sleep(.milliseconds(pause))
        } while !Task.isCancelled
        return words
    }
}
