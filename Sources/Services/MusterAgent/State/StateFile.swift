import CanonicalJSON
import MusterSystem

/// A JSON document of the node's own, replaced whole and synced.
enum StateFile {
    /// What `read` makes of the document; nil where there is none.
    ///
    /// A damaged one is an error that names it.
    static func load<Value>(
        _ path: String,
        limit: Int,
        _ read: (JSONFields) throws(JSONError) -> Value
    ) throws(SystemError) -> Value? {
        guard let bytes = try BoundedFile.readIfPresent(path, limit: limit) else { return nil }
        do throws(JSONError) {
            return try read(try JSONFields(try JSONValue.parse(bytes, limit: limit)))
        } catch {
            throw SystemError("understand", path, because: "\(error)")
        }
    }

    /// Replaces the document.
    static func store(_ value: JSONValue, _ path: String) throws(SystemError) {
        try AtomicFile.write(value.jsonBytes, to: path)
    }
}
