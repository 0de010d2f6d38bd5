import MusterModel
import MusterPolicy

extension FleetPolicy {
    /// None, while no policy can define a command.
    @_disfavoredOverload
    var commands: [CommandName: ApprovedCommand] { [:] }
}
