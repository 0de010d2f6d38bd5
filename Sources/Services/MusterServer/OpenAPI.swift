import MusterModel

/// The description of the API that is served at `/openapi.yaml`; `OpenAPITests` holds the routes to it.
enum OpenAPI {
    /// OpenAPI 3.1.
    static let document = """
        openapi: 3.1.0
        info:
          title: muster fleet service
          version: \(MusterVersion.text)
          description: >
            Members may be added to any body and are ignored by readers that do not know them. Errors are problem documents
            of RFC 9457 whose type is urn:muster:problem:CODE. Bodies over their limit get 413, malformed ones 400.
            Whoever is neither on this machine nor known to the tailnet gets 403 (unknown-caller) for any path over plain
            HTTP; while the tailnet cannot be asked, everybody but this machine gets 503 (tailnet-unavailable).
            What an operator may only read needs no session where the caller's address belongs to a tailnet user (and to no
            tagged node) whose login the policy gives to one operator.
        components:
          securitySchemes:
            node: {type: http, scheme: bearer, description: 'session of a node, bound to its tailnet id and key, at most one hour'}
            operator: {type: http, scheme: bearer, description: session of an operator, at most one hour}
          responses:
            problem:
              description: why the request was refused
              content:
                application/problem+json:
                  schema:
                    type: object
                    required: [type, title, status, detail]
                    properties:
                      type: {type: string}
                      title: {type: string}
                      status: {type: integer}
                      detail: {type: string}
            body: {description: the answer, content: {application/json: {schema: {type: object}}}}
            empty: {description: done}
          parameters:
            id: {name: id, in: path, required: true, schema: {type: string}}
            role: {name: role, in: path, required: true, schema: {enum: [root, targets, releases, policy]}}
            sha256: {name: sha256, in: path, required: true, schema: {type: string, pattern: '^[0-9a-f]{64}$'}}
            file: {name: file, in: path, required: true, schema: {type: string}}
            after: {name: after, in: query, schema: {type: integer, minimum: 0}}
            wait: {name: wait, in: query, schema: {type: integer, minimum: 0, maximum: 60}, description: seconds to wait for news}
        paths:
          /healthz:
            get: {summary: whether the service answers, responses: {'200': {description: ok}}}
          /openapi.yaml:
            get: {summary: this document, responses: {'200': {description: OpenAPI 3.1}}}
          /v1/service:
            get: {summary: version, fleet and public keys of the service, responses: {'200': {$ref: '#/components/responses/body'}}}
          /v1/whoami:
            get:
              summary: who the service takes the caller for, by session or by the tailnet; for anybody
              security: [{}, {operator: []}, {node: []}]
              responses: {'200': {$ref: '#/components/responses/body'}, default: {$ref: '#/components/responses/problem'}}
          /enroll/{code}:
            get:
              summary: the page behind the link of a node that waits for approval; says what to run
              parameters: [{name: code, in: path, required: true, schema: {type: string}}]
              responses: {'200': {description: HTML}, default: {$ref: '#/components/responses/problem'}}
          /v1/fleet:
            post:
              summary: make the fleet of offline-signed metadata, once, with the set-up token
              responses: {'201': {$ref: '#/components/responses/body'}, default: {$ref: '#/components/responses/problem'}}
          /v1/enroll:
            post:
              summary: join with a token's secret, or wait for approval; ask again with the same key
              responses:
                '200': {description: had joined already}
                '201': {description: joined}
                '202': {description: waits for approval}
                default: {$ref: '#/components/responses/problem'}
          /v1/enroll/statement:
            get:
              summary: the enroll statement behind a token
              parameters: [{name: secret_sha256, in: query, required: true, schema: {type: string}}]
              responses: {'200': {$ref: '#/components/responses/body'}, default: {$ref: '#/components/responses/problem'}}
          /v1/node/challenge:
            post:
              summary: 32 bytes for the node key to sign within a minute
              responses: {'200': {$ref: '#/components/responses/body'}, default: {$ref: '#/components/responses/problem'}}
          /v1/node/session:
            post:
              summary: a signed challenge for a session token
              description: >
                a node whose key is refused with 401 asks once more with the member successions: how its key came to follow
                earlier ones, oldest first, at most 64 of {old_key, new_key, old_signature, new_signature}, each as POST
                /v1/node/key carried it; a register that was restored from a backup follows them from the key that it knows
                to the one that signed the challenge, and from no other key
              responses: {'200': {$ref: '#/components/responses/body'}, default: {$ref: '#/components/responses/problem'}}
          /v1/node/report:
            post:
              summary: what the node says of itself; answered once it is on disk
              description: the answer's member key says when the node key expires and from when on to replace it
              security: [{node: []}]
              responses: {'200': {$ref: '#/components/responses/body'}, default: {$ref: '#/components/responses/problem'}}
          /v1/node/manifest:
            get:
              summary: the update manifest after sequence `after`, signed, in the TUF envelope
              security: [{node: []}]
              parameters: [{$ref: '#/components/parameters/after'}, {$ref: '#/components/parameters/wait'}]
              responses:
                '200': {$ref: '#/components/responses/body'}
                '204': {description: nothing new}
                default: {$ref: '#/components/responses/problem'}
          /v1/node/reach:
            post:
              summary: a node that confirms an upgrade asks to be reached by a second one, at the address it calls from
              description: >
                nodes that may reach others get the address, port and nonce as the member reach of their manifest; asking
                again with the same nonce asks more of them
              security: [{node: []}]
              responses: {'200': {$ref: '#/components/responses/body'}, default: {$ref: '#/components/responses/problem'}}
          /v1/node/key:
            post:
              summary: a new node key, signed by the present one and by itself; both open sessions until the new one did
              description: >
                refused with 403 once the present key has expired, and with 429 within a day of the last replacement;
                asking again with the same new key changes nothing
              security: [{node: []}]
              responses: {'200': {$ref: '#/components/responses/body'}, default: {$ref: '#/components/responses/problem'}}
          /v1/node/runs/{id}:
            post:
              summary: how far the node is with a run, and more of its output; answered once it is on disk
              description: >
                idempotent: output that is there already is left out by its offset, and a final state does not change; the
                answer says how many bytes of output are on disk, and whether the process shall be ended
              security: [{node: []}]
              parameters: [{$ref: '#/components/parameters/id'}]
              responses: {'200': {$ref: '#/components/responses/body'}, default: {$ref: '#/components/responses/problem'}}
          /v1/node/host-certificate:
            post:
              summary: certificates for the keys that the node's sshd shows, for the names that the register has
              security: [{node: []}]
              responses: {'200': {$ref: '#/components/responses/body'}, default: {$ref: '#/components/responses/problem'}}
          /v1/operator/challenge:
            post:
              summary: 32 bytes for an operator's SSH key to sign within a minute
              responses: {'200': {$ref: '#/components/responses/body'}, default: {$ref: '#/components/responses/problem'}}
          /v1/operator/session:
            post:
              summary: a challenge signed in namespace login@muster for a session token
              responses: {'200': {$ref: '#/components/responses/body'}, default: {$ref: '#/components/responses/problem'}}
          /v1/nodes:
            get:
              summary: every node
              security: [{operator: []}, {}]
              responses: {'200': {$ref: '#/components/responses/body'}, default: {$ref: '#/components/responses/problem'}}
          /v1/nodes/{id}:
            get:
              summary: one node, by id or name
              security: [{operator: []}, {}]
              parameters: [{$ref: '#/components/parameters/id'}]
              responses: {'200': {$ref: '#/components/responses/body'}, default: {$ref: '#/components/responses/problem'}}
          /v1/nodes/{id}/hold:
            post:
              summary: rollouts pass the node by, for a reason, until somebody lifts it or `until`
              description: for any operator
              security: [{operator: []}]
              parameters: [{$ref: '#/components/parameters/id'}]
              responses: {'200': {$ref: '#/components/responses/body'}, default: {$ref: '#/components/responses/problem'}}
          /v1/nodes/{id}/unhold:
            post:
              summary: rollouts take the node again
              description: for who held it, and for operators who may upgrade the node
              security: [{operator: []}]
              parameters: [{$ref: '#/components/parameters/id'}]
              responses: {'200': {$ref: '#/components/responses/body'}, default: {$ref: '#/components/responses/problem'}}
          /v1/nodes/{id}/pin:
            post:
              summary: a package of the node stays as it is, or at one version, for a reason
              description: for any operator
              security: [{operator: []}]
              parameters: [{$ref: '#/components/parameters/id'}]
              responses: {'200': {$ref: '#/components/responses/body'}, default: {$ref: '#/components/responses/problem'}}
          /v1/nodes/{id}/unpin:
            post:
              summary: rollouts may change the package of the node again
              description: for who pinned it, and for operators who may upgrade the node
              security: [{operator: []}]
              parameters: [{$ref: '#/components/parameters/id'}]
              responses: {'200': {$ref: '#/components/responses/body'}, default: {$ref: '#/components/responses/problem'}}
          /v1/enrollments:
            get:
              summary: nodes that wait for approval
              security: [{operator: []}, {}]
              responses: {'200': {$ref: '#/components/responses/body'}, default: {$ref: '#/components/responses/problem'}}
          /v1/statements:
            post:
              summary: a signed statement of any type but ssh-certificate, which is done or waits for approvals
              description: enroll, tag-node, upgrade, roll-back, run, revoke, extend-node, exempt-node or remove-node
              security: [{operator: []}]
              responses: {'201': {$ref: '#/components/responses/body'}, default: {$ref: '#/components/responses/problem'}}
          /v1/rollouts:
            get:
              summary: every rollout, the newest first, without nodes
              security: [{operator: []}, {}]
              responses: {'200': {$ref: '#/components/responses/body'}, default: {$ref: '#/components/responses/problem'}}
          /v1/rollouts/{id}:
            get:
              summary: one rollout with its nodes; waits for a revision above `after`
              security: [{operator: []}, {}]
              parameters:
                - {$ref: '#/components/parameters/id'}
                - {$ref: '#/components/parameters/after'}
                - {$ref: '#/components/parameters/wait'}
              responses: {'200': {$ref: '#/components/responses/body'}, default: {$ref: '#/components/responses/problem'}}
          /v1/rollouts/{id}/approve:
            post:
              summary: one more signature of the rollout's statement
              security: [{operator: []}]
              parameters: [{$ref: '#/components/parameters/id'}]
              responses: {'200': {$ref: '#/components/responses/body'}, default: {$ref: '#/components/responses/problem'}}
          /v1/rollouts/{id}/halt:
            post:
              summary: assign no more nodes until somebody resumes
              security: [{operator: []}]
              parameters: [{$ref: '#/components/parameters/id'}]
              responses: {'200': {$ref: '#/components/responses/body'}, default: {$ref: '#/components/responses/problem'}}
          /v1/rollouts/{id}/resume:
            post:
              summary: go on after a halt; the failures so far are forgiven
              security: [{operator: []}]
              parameters: [{$ref: '#/components/parameters/id'}]
              responses: {'200': {$ref: '#/components/responses/body'}, default: {$ref: '#/components/responses/problem'}}
          /v1/rollouts/{id}/cancel:
            post:
              summary: end it for good
              security: [{operator: []}]
              parameters: [{$ref: '#/components/parameters/id'}]
              responses: {'200': {$ref: '#/components/responses/body'}, default: {$ref: '#/components/responses/problem'}}
          /v1/runs:
            get:
              summary: runs of approved commands, the newest first, without nodes; `before` a run for the next page
              security: [{operator: []}, {}]
              parameters:
                - {name: limit, in: query, schema: {type: integer, minimum: 0, maximum: 1000}}
                - {name: before, in: query, schema: {type: string}}
                - {name: command, in: query, schema: {type: string}}
                - {name: requester, in: query, schema: {type: string}}
                - {name: node, in: query, schema: {type: string}}
                - name: state
                  in: query
                  schema: {enum: [waiting, scheduled, running, stopping, succeeded, failed, cancelled, denied, expired, halted]}
                - {name: from, in: query, schema: {type: integer}, description: asked for at this moment or later (milliseconds)}
                - {name: until, in: query, schema: {type: integer}, description: asked for before this moment (milliseconds)}
              responses: {'200': {$ref: '#/components/responses/body'}, default: {$ref: '#/components/responses/problem'}}
          /v1/runs/{id}:
            get:
              summary: one run with its nodes; waits for a revision above `after`
              security: [{operator: []}, {}]
              parameters:
                - {$ref: '#/components/parameters/id'}
                - {$ref: '#/components/parameters/after'}
                - {$ref: '#/components/parameters/wait'}
              responses: {'200': {$ref: '#/components/responses/body'}, default: {$ref: '#/components/responses/problem'}}
          /v1/runs/{id}/output:
            get:
              summary: output after piece `after`, of all nodes in the order in which it came, or of one
              security: [{operator: []}, {}]
              parameters:
                - {$ref: '#/components/parameters/id'}
                - {$ref: '#/components/parameters/after'}
                - {$ref: '#/components/parameters/wait'}
                - {name: node, in: query, schema: {type: string}}
                - {name: limit, in: query, schema: {type: integer, minimum: 0, maximum: 10000}}
              responses: {'200': {$ref: '#/components/responses/body'}, default: {$ref: '#/components/responses/problem'}}
          /v1/runs/{id}/approve:
            post:
              summary: one more signature of the run's statement
              security: [{operator: []}]
              parameters: [{$ref: '#/components/parameters/id'}]
              responses: {'200': {$ref: '#/components/responses/body'}, default: {$ref: '#/components/responses/problem'}}
          /v1/runs/{id}/deny:
            post:
              summary: end a run that has not begun; for its requester and those who may approve it
              security: [{operator: []}]
              parameters: [{$ref: '#/components/parameters/id'}]
              responses: {'200': {$ref: '#/components/responses/body'}, default: {$ref: '#/components/responses/problem'}}
          /v1/runs/{id}/cancel:
            post:
              summary: begin no further nodes, and end the processes that run; for any operator
              security: [{operator: []}]
              parameters: [{$ref: '#/components/parameters/id'}]
              responses: {'200': {$ref: '#/components/responses/body'}, default: {$ref: '#/components/responses/problem'}}
          /v1/runs/{id}/certificate:
            post:
              summary: a certificate for a run over SSH, for its requester, once it may begin
              security: [{operator: []}]
              parameters: [{$ref: '#/components/parameters/id'}]
              responses: {'200': {$ref: '#/components/responses/body'}, default: {$ref: '#/components/responses/problem'}}
          /v1/runs/{id}/results:
            post:
              summary: how a run over SSH went on some of its nodes, by its requester; answered once it is on disk
              security: [{operator: []}]
              parameters: [{$ref: '#/components/parameters/id'}]
              responses: {'200': {$ref: '#/components/responses/body'}, default: {$ref: '#/components/responses/problem'}}
          /v1/ssh/certificates:
            post:
              summary: a certificate for an ssh-certificate statement, whose own signature is the proof of who asks
              responses: 
                '201': {$ref: '#/components/responses/body'}
                '202': {description: waits for approvals}
                default: {$ref: '#/components/responses/problem'}
          /v1/ssh/certificates/{id}:
            get:
              summary: how far a request is, for who made it, from where it was made, and for operators
              security: [{}, {operator: []}]
              parameters:
                - {$ref: '#/components/parameters/id'}
                - {$ref: '#/components/parameters/wait'}
              responses: {'200': {$ref: '#/components/responses/body'}, default: {$ref: '#/components/responses/problem'}}
          /v1/ssh/certificates/{id}/approve:
            post:
              summary: one more signature of the request's statement; the last one issues the certificate
              security: [{operator: []}]
              parameters:
                - {$ref: '#/components/parameters/id'}
              responses: {'200': {$ref: '#/components/responses/body'}, default: {$ref: '#/components/responses/problem'}}
          /v1/ssh/certificates/{id}/deny:
            post:
              summary: end a request that waits
              security: [{operator: []}]
              parameters:
                - {$ref: '#/components/parameters/id'}
              responses: {'200': {$ref: '#/components/responses/body'}, default: {$ref: '#/components/responses/problem'}}
          /v1/ssh/issued:
            get:
              summary: certificates with serials above `after`, at most 1000
              security: [{operator: []}]
              parameters:
                - {$ref: '#/components/parameters/after'}
                - {name: operator, in: query, schema: {type: string}}
                - {name: node, in: query, schema: {type: string}}
                - {name: valid, in: query, schema: {enum: ['1']}, description: only those that are not over}
              responses: {'200': {$ref: '#/components/responses/body'}, default: {$ref: '#/components/responses/problem'}}
          /v1/ssh/waiting:
            get:
              summary: requests that wait for approvals
              security: [{operator: []}]
              responses: {'200': {$ref: '#/components/responses/body'}, default: {$ref: '#/components/responses/problem'}}
          /v1/ssh/trust:
            get:
              summary: which CAs the fleet trusts, to be verified by TUF
              responses: {'200': {$ref: '#/components/responses/body'}, default: {$ref: '#/components/responses/problem'}}
          /v1/ssh/revocations:
            get:
              summary: what was revoked, and which nodes have acknowledged the newest list
              security: [{operator: []}]
              responses: {'200': {$ref: '#/components/responses/body'}, default: {$ref: '#/components/responses/problem'}}
          /v1/ssh/rotation:
            get:
              summary: how far the rotations of the CAs are, and what they wait for
              security: [{operator: []}]
              responses: {'200': {$ref: '#/components/responses/body'}, default: {$ref: '#/components/responses/problem'}}
            post:
              summary: prepare a step of a rotation; the document changes once the policy keys sign it
              security: [{operator: []}]
              responses: {'200': {$ref: '#/components/responses/body'}, default: {$ref: '#/components/responses/problem'}}
          /v1/repository/files/{sha256}:
            put:
              summary: a target file, with its Content-Length
              description: while nobody can log in (problem policy-expired) policy/fleet.json needs no session
              security: [{operator: []}, {}]
              parameters:
                - {$ref: '#/components/parameters/sha256'}
                - {name: path, in: query, required: true, schema: {type: string}, description: 'releases/NAME, policy/NAME or ssh/trust.json'}
              responses: {'204': {$ref: '#/components/responses/empty'}, default: {$ref: '#/components/responses/problem'}}
          /v1/repository/metadata/{role}:
            post:
              summary: the next version of offline-signed metadata, byte for byte
              description: while nobody can log in (problem policy-expired) this and the file policy/fleet.json need no session
              security: [{operator: []}, {}]
              parameters: [{$ref: '#/components/parameters/role'}]
              responses:
                '202': {description: a root that waits for targets metadata that fits it}
                '204': {$ref: '#/components/responses/empty'}
                default: {$ref: '#/components/responses/problem'}
          /v1/events:
            get:
              summary: what happened after event `after`, oldest first, at most 1000
              security: [{operator: []}, {}]
              parameters: [{$ref: '#/components/parameters/after'}, {$ref: '#/components/parameters/wait'}]
              responses: {'200': {$ref: '#/components/responses/body'}, default: {$ref: '#/components/responses/problem'}}
          /tuf/metadata/{file}:
            get:
              summary: metadata of the TUF repository, with consistent snapshots
              parameters: [{$ref: '#/components/parameters/file'}]
              responses: {'200': {description: metadata}, '304': {description: unchanged}, default: {$ref: '#/components/responses/problem'}}
          /tuf/targets/releases/{file}:
            get:
              summary: a target file, named SHA256.NAME; one byte range may be asked for
              parameters: [{$ref: '#/components/parameters/file'}]
              responses:
                '200': {description: the file}
                '206': {description: a part of it}
                '304': {description: unchanged}
                '416': {description: no such part}
                default: {$ref: '#/components/responses/problem'}

        """
}
