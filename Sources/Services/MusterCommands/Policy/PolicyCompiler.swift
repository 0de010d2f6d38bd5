import ByteCoding
import CanonicalJSON
import MusterModel
import MusterPolicy

/// Turns what people write into the members of a policy document: tags with owners become rules, time zones become offsets,
/// and numbers become text where a command wants text.
struct PolicyCompiler {
    let document: YAMLDocument
    private let start: UTCTime
    private let end: UTCTime
    private(set) var mistakes: [PolicyMistake] = []
    private var zones: [String: TimeZoneFile] = [:]

    /// Offsets are worked out from `start` to `end`.
    init(_ document: YAMLDocument, from start: UTCTime, to end: UTCTime) {
        self.document = document
        self.start = start
        self.end = end
    }

    /// The members of the document, but for type, version and dates.
    mutating func members() -> JSONObject {
        guard case .object(var object) = document.value else { return JSONObject() }
        object["tests"] = nil
        object["tags"] = nil
        var commands = JSONObject()
        for name in PolicyForm.names(object["commands"]) {
            if let command = object["commands"]?[name] { commands[name] = self.command(command, "commands.\(name)") }
        }
        if object["commands"] != nil { object["commands"] = .object(commands) }
        if case .array(let freezes)? = object["freezes"] {
            var compiled: [JSONValue] = []
            for (index, freeze) in freezes.enumerated() { compiled.append(self.freeze(freeze, "freezes[\(index)]")) }
            object["freezes"] = .array(compiled)
        }
        guard case .array(let rules)? = object["rules"] else { return object }
        var compiled: [JSONValue] = []
        for (index, rule) in rules.enumerated() { compiled.append(self.rule(rule, "rules[\(index)]")) }
        object["rules"] = .array(compiled + TagOwners(document.value["tags"]).rules)
        return object
    }

    // MARK: - Commands

    private func command(_ value: JSONValue, _ path: String) -> JSONValue {
        guard case .object(var command) = value else { return value }
        for member in ["argv", "environment", "input", "description"] {
            command[member] = command[member].map { document.texts($0, "\(path).\(member)") }
        }
        guard case .object(let parameters)? = command["parameters"] else { return .object(command) }
        var compiled = JSONObject()
        for member in parameters.members {
            compiled[member.key] = parameter(member.value, "\(path).parameters.\(member.key)")
        }
        command["parameters"] = .object(compiled)
        return .object(command)
    }

    private func parameter(_ value: JSONValue, _ path: String) -> JSONValue {
        guard case .object(var parameter) = value else { return value }
        for member in ["pattern", "values", "default", "description"] {
            parameter[member] = parameter[member].map { document.texts($0, "\(path).\(member)") }
        }
        if case .string(let text)? = parameter["default"] { parameter["default"] = [.string(text)] }
        return .object(parameter)
    }

    // MARK: - Windows

    private mutating func rule(_ value: JSONValue, _ path: String) -> JSONValue {
        guard case .object(var rule) = value, case .array(let windows)? = rule["windows"] else { return value }
        var compiled: [JSONValue] = []
        for (index, window) in windows.enumerated() {
            compiled.append(self.window(window, "\(path).windows[\(index)]"))
        }
        rule["windows"] = .array(compiled)
        return .object(rule)
    }

    private mutating func window(_ value: JSONValue, _ path: String) -> JSONValue {
        guard case .object(var window) = value, case .string(let name)? = window["zone"] else { return value }
        window["offsets"] = .array(
            offsets(of: name, path + ".zone").map {
                ["from": JSONValue($0.from), "minutes": .integer($0.minutes)]
            }
        )
        return .object(window)
    }

    /// What the clocks of the zone show; notes a mistake where there is no such zone.
    mutating func offsets(of name: String, _ path: String) -> [TimeWindow.Offset] {
        do throws(TimeZoneFile.Fault) {
            let zone: TimeZoneFile
            if let known = zones[name] {
                zone = known
            } else {
                zone = try TimeZoneFile(name: name)
                zones[name] = zone
            }
            return try zone.offsets(from: start, to: end)
        } catch {
            note(path, error.description)
            // Anything that parses, so that other mistakes of the part are found too.
            return [TimeWindow.Offset(from: start, minutes: 0)]
        }
    }

    mutating func note(_ path: String, _ text: String) {
        mistakes.append(document.mistake(at: path, text))
    }
}

extension YAMLDocument {
    /// The value with every number and boolean in it as the text that was written.
    func texts(_ value: JSONValue, _ path: String) -> JSONValue {
        switch value {
        case .integer, .bool: text(at: path).map { .string($0) } ?? value
        case .array(let values):
            .array(values.enumerated().map { texts($0.element, "\(path)[\($0.offset)]") })
        case .object(let object):
            .object(JSONObject(object.members.map { ($0.key, texts($0.value, "\(path).\($0.key)")) }))
        default: value
        }
    }
}
