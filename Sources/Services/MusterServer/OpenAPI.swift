/// The description of the API that is served at `/openapi.yaml`.
enum OpenAPI {
    /// OpenAPI 3.1.
    static let document = "openapi: 3.1.0\n"
}
