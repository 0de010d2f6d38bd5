import CanonicalJSON
import MusterAPI

/// Every kind of refusal, with the status code it always has.
extension Problem {
    static func malformed(_ detail: String) -> Problem {
        Problem(status: 400, code: "malformed", title: "The request cannot be understood", detail: detail)
    }

    static func malformed(_ error: JSONError) -> Problem {
        malformed("\(error)")
    }

    /// `what` was said to prove who calls, and did not.
    static func unauthenticated(_ detail: String) -> Problem {
        Problem(status: 401, code: "unauthenticated", title: "The caller is not known", detail: detail)
    }

    /// The node was taken out of the fleet; agents show this.
    static func nodeRemoved(_ node: String, _ reason: String) -> Problem {
        Problem(
            status: 401,
            code: "node-removed",
            title: "The node was removed from the fleet",
            detail: "node '\(node)' was removed: \(reason)"
        )
    }

    static func otherAddress(_ detail: String) -> Problem {
        Problem(status: 403, code: "other-address", title: "The request comes from another address", detail: detail)
    }

    /// Nobody whom the tailnet knows.
    static func unknownCaller(_ detail: String) -> Problem {
        Problem(status: 403, code: "unknown-caller", title: "The caller is nobody on the tailnet", detail: detail)
    }

    /// Who calls cannot be known now, so nobody is let in.
    static func tailnetUnavailable(_ detail: String) -> Problem {
        Problem(
            status: 503,
            code: "tailnet-unavailable",
            title: "Who calls cannot be known at the moment",
            detail: detail
        )
    }

    static func refused(_ detail: String) -> Problem {
        Problem(status: 403, code: "refused", title: "The request is not allowed", detail: detail)
    }

    static func missing(_ detail: String) -> Problem {
        Problem(status: 404, code: "not-found", title: "There is no such thing", detail: detail)
    }

    static func wrongMethod(_ allowed: String) -> Problem {
        Problem(
            status: 405,
            code: "wrong-method",
            title: "This cannot be done here",
            detail: "allowed here: \(allowed)"
        )
    }

    static func conflict(_ detail: String) -> Problem {
        Problem(status: 409, code: "conflict", title: "The request does not fit the present state", detail: detail)
    }

    static func noFleet() -> Problem {
        Problem(
            status: 409,
            code: "no-fleet",
            title: "There is no fleet yet",
            detail: "make one with 'muster fleet init --service URL' and the set-up token of 'musterd serve'"
        )
    }

    static func tooLong(_ limit: Int) -> Problem {
        Problem(
            status: 413,
            code: "too-long",
            title: "The request is too long",
            detail: "at most \(limit) bytes are taken here"
        )
    }

    static func notVerified(_ detail: String) -> Problem {
        Problem(status: 422, code: "not-verified", title: "What was sent does not verify", detail: detail)
    }

    static func tooMany(_ detail: String) -> Problem {
        Problem(status: 429, code: "too-many", title: "Too many requests", detail: detail)
    }

    /// Nobody can log in; clients know this by its code.
    static func policyExpired(_ trouble: String) -> Problem {
        Problem(
            status: 503,
            code: "policy-expired",
            title: "The policy lets nobody in",
            detail: "\(trouble): renew it with 'muster policy publish FILE', which needs its signatures but no login"
        )
    }

    static func failed(_ detail: String) -> Problem {
        Problem(status: 500, code: "failed", title: "The service failed", detail: detail)
    }

    static func unavailable(_ detail: String) -> Problem {
        Problem(status: 503, code: "unavailable", title: "The service cannot do this now", detail: detail)
    }
}
