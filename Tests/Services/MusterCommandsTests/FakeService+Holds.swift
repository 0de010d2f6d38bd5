import ByteCoding
import MusterAPI
import MusterModel
import MusterTestSupport

extension FakeService {
    /// `POST /v1/nodes/{id}/hold`, `/unhold`, `/pin` and `/unpin`, for anybody.
    static func holds(
        _ request: LoopbackServer.Request,
        _ parts: [String],
        _ state: inout State
    ) throws -> LoopbackServer.Reply {
        guard parts.count == 4, let index = state.nodes.firstIndex(where: { $0.id.text == parts[2] }),
            let name = OperatorName(String((request.headers["authorization"] ?? "").dropFirst(18)))
        else { return LoopbackServer.Reply(404) }
        switch parts[3] {
        case "hold":
            let hold = try HoldRequest.parse(request.body)
            state.nodes[index].hold = HoldRecord(reason: hold.reason, by: name, since: time, until: hold.until)
        case "unhold": state.nodes[index].hold = nil
        case "pin":
            let pin = try PinRequest.parse(request.body)
            state.nodes[index].pins.append(
                PinRecord(package: pin.package, version: pin.version, reason: pin.reason, by: name, since: time)
            )
        default:
            let package = try UnpinRequest.parse(request.body).package
            state.nodes[index].pins.removeAll { $0.package == package }
        }
        return json(state.nodes[index])
    }
}
