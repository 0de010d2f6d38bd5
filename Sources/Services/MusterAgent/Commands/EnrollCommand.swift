import ArgumentParser
import ByteCoding
import Glibc
import MusterClient
import MusterModel
import MusterSystem

/// `muster-agent enroll`: joins a fleet.
struct EnrollCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "enroll",
        abstract: "Join a fleet with a token, or ask to be approved.",
        discussion: """
            With a token: it is read from --token-file, --token-fd, a prompt or standard input, never from the command
            line. Without one, --fleet names the fleet to join; an operator then approves the code that is shown.
            """
    )

    @OptionGroup var state: StateOptions
    @OptionGroup var input: TokenInput

    @Option(help: "Address of the fleet service, such as http://100.64.0.1:8470.")
    var service: String

    @Option(help: "Name for this node; its host name unless given.")
    var name: String?

    @Option(help: "Ask to join this fleet without a token: 64 hexadecimal digits.")
    var fleet: String?

    @Option(help: "PEM file of certificate authorities to believe instead of the system's.")
    var caFile: String?

    func run() async throws {
        let client = try MusterClient(service: service, options: HTTPTransport.Options(trustRootsFile: caFile))
        let result: Result<Enrollment, any Error>
        do {
            result = .success(try await enroll(client))
        } catch {
            result = .failure(Self.harmless(error))
        }
        await client.close()
        let enrollment = try result.get()
        let tags = enrollment.tags.sorted().map(\.text).joined(separator: ", ")
        let text = "enrolled as \(enrollment.node) (\(enrollment.name)), tags: \(tags.isEmpty ? "none" : tags)"
        print(text.harmless)
    }

    /// The error with nothing in its words that steers a terminal: some of them are the service's.
    private static func harmless(_ error: any Error) -> any Error {
        if error is ValidationError || error is ExitCode { return error }
        return EnrollmentError("\(error)".harmless)
    }

    private func enroll(_ client: MusterClient) async throws -> Enrollment {
        let enroller = Enroller(paths: state.paths, client: client, clock: .system)
        let name = (name ?? HostFacts.read().hostName).bounded(253)
        guard let fleet else { return try await enroller.enroll(token: try input.token(), name: name) }
        guard let fleet = FleetID(fleet) else { throw ValidationError("--fleet is not \(FleetID.form)") }
        return try await enroller.enroll(fleet: fleet, name: name) { [service] code, link in
            print("this node asks to join \(service) with the code \(code)")
            print("an operator approves it with: muster node approve \(code)")
            if let link { print("or sees what to do at: \(link)") }
            fflush(nil)
        }
    }
}
