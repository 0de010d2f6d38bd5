import ByteCoding
import MusterKeys
import MusterModel
import MusterSystem
import MusterTrust

/// Puts together what a supervisor is told, secrets included; the last checks before a run's id is used up.
struct RunPreparation {
    let fleet: FleetID
    let node: NodeID
    let open: SecretOpener

    /// The plan of a run, in memory that is wiped.
    func plan(_ run: VerifiedRun) throws(RunObstacle) -> SecretBytes {
        try checkUser(run.command.user)
        var secrets = try secrets(run)
        defer { for name in secrets.keys { secrets[name]?.withUnsafeMutableBytes { $0.wipe() } } }
        var environment: [String] = []
        for (name, value) in run.command.environment.sorted(by: { $0.key < $1.key }) {
            guard let bytes = value.filled(secrets), let text = String(validating: bytes, as: UTF8.self) else {
                throw RunObstacle(reason: "a secret for the variable '\(name)' is missing, or is no text")
            }
            environment.append("\(name)=\(text)")
        }
        var input: [UInt8]?
        if let text = run.command.input {
            guard let bytes = text.filled(secrets) else {
                throw RunObstacle(reason: "a secret for the input is missing")
            }
            input = bytes
        }
        let plan = RunPlan(
            run: run.statement.id.text,
            user: run.command.user.text,
            directory: run.command.directory,
            words: run.command.argv,
            environment: environment,
            input: input,
            timeout: run.command.timeoutSeconds * 1000,
            outputLimit: run.command.outputBytes,
            secrets: secrets.values.filter { $0.count >= SecretMask.least }
        )
        var bytes = plan.bytes
        guard bytes.count <= RunPlan.byteLimit else {
            _ = SecretBytes(wiping: &bytes)
            throw RunObstacle(reason: "the command with its secrets is longer than \(RunPlan.byteLimit) bytes")
        }
        return SecretBytes(wiping: &bytes)
    }

    /// The values of the secret parameters, each checked as the command demands; errors never show them.
    private func secrets(_ run: VerifiedRun) throws(RunObstacle) -> [ParameterName: [UInt8]] {
        var secrets: [ParameterName: [UInt8]] = [:]
        for (name, sealed) in run.sealed {
            let purpose = SealedSecret.Purpose(
                fleet: fleet.text,
                statement: run.statement.id.text,
                requester: run.statement.requester.text,
                node: node.text,
                parameter: name.text
            )
            guard let secret = open(sealed, purpose) else {
                throw RunObstacle(
                    reason: "secret '\(name)' was sealed to another key than this node's, or for another use; ask anew"
                )
            }
            let bytes = secret.withBytes { Array(UnsafeBufferPointer(start: $0, count: secret.count)) }
            guard let text = String(validating: bytes, as: UTF8.self) else {
                throw RunObstacle(reason: "secret '\(name)' is no text")
            }
            if let objection = run.definition.parameters[name]?.objection(to: text) {
                throw RunObstacle(reason: "secret '\(name)' \(objection)")
            }
            secrets[name] = bytes
        }
        return secrets
    }

    private func checkUser(_ name: AccountName) throws(RunObstacle) {
        let user: UserAccount?
        do throws(SystemError) {
            user = try UserAccount.find(name.text)
        } catch {
            throw RunObstacle(reason: "\(error)")
        }
        guard let user else { throw RunObstacle(reason: "this node has no user '\(name)'") }
        guard user.isWithinReach else {
            throw RunObstacle(reason: "the agent does not run as root, so it cannot become user '\(name)'")
        }
    }
}
