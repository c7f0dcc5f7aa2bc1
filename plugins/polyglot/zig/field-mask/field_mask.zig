//! Hides and protects fields: the policy of plugins/guests/field-mask, in Zig.
//!
//! A hidden field is not read, not filtered by and not written; a protected one is not written. The host has parsed
//! which fields a request touches, from query, COQL, criteria and bodies; where it could not tell, nothing passes. A
//! read that lists hidden fields in `fields=` is narrowed, everything else is refused.
//!
//! Each request meets a fresh instance, so nothing is freed here but by the bindings.

const std = @import("std");
const names = @import("names.zig");
const Entry = @import("entry.zig").Entry;
const wit = @cImport(@cInclude("request_plugin.h"));

/// The standard one would print, and with that import WASI. Without it a panic traps, and a trap denies.
pub const panic = std.debug.no_panic;

/// `malloc` itself, so that the bindings can free what it gave: `c_allocator` may put something before it.
const allocator = std.heap.raw_c_allocator;

const Answer = wit.wardlock_policy_types_answer_t;
const Edit = wit.wardlock_policy_types_edit_t;
const Field = wit.wardlock_policy_types_field_t;
const Problem = wit.exports_wardlock_policy_settings_problem_t;
const Reason = wit.wardlock_policy_types_reason_t;
const Request = wit.wardlock_policy_types_request_t;
const Text = wit.request_plugin_string_t;

/// What cannot be helped; it traps.
const Error = std.mem.Allocator.Error;

// --- what the component exports: `wardlock:policy/settings` and `wardlock:policy/request-hook`

var policy: ?FieldMask = null;

export fn exports_wardlock_policy_settings_describe(ret: *wit.exports_wardlock_policy_settings_description_t) void {
    const capabilities = array(Text, &.{handOver("shape") catch @trap()}) catch @trap();
    ret.* = .{
        .name = handOver("field-mask") catch @trap(),
        .version = handOver("0.1.0") catch @trap(),
        .capabilities = .{ .ptr = capabilities.ptr, .len = capabilities.len },
    };
}

export fn exports_wardlock_policy_settings_schema(ret: *Text) void {
    ret.* = handOver(@embedFile("schema.json")) catch @trap();
}

/// Returns true when the settings are taken.
export fn exports_wardlock_policy_settings_configure(
    json: *Text,
    ret: *wit.exports_wardlock_policy_settings_list_problem_t,
) bool {
    const problems = configure(slice(json.*)) catch @trap();
    ret.* = .{ .ptr = problems.ptr, .len = problems.len };
    return problems.len == 0;
}

export fn exports_wardlock_policy_request_hook_on_request(request: *Request, ret: *Answer) void {
    const answer = if (policy) |configured|
        configured.onRequest(request)
    else
        deny("not_configured", "the plugin got a request before its settings", null);
    ret.* = answer catch @trap();
}

// --- settings

const Settings = struct {
    hide: []const []const u8 = &.{},
    protect: []const []const u8 = &.{},
};

/// Takes the settings. Returns what is wrong with them.
fn configure(json: []const u8) Error![]Problem {
    var problems: std.ArrayList(Problem) = .empty;
    // Unknown and doubled keys are errors of the parser.
    const settings = std.json.parseFromSliceLeaky(Settings, allocator, json, .{}) catch |err| {
        const message = try concat(&.{ "not the settings of this plugin: ", @errorName(err) });
        try problems.append(allocator, try problem("", message));
        return problems.items;
    };
    const configured: FieldMask = .{
        .hide = try parseEntries("hide", settings.hide, &problems),
        .protect = try parseEntries("protect", settings.protect, &problems),
    };
    if (settings.hide.len == 0 and settings.protect.len == 0) {
        try problems.append(allocator, try problem("", "names no field: `hide` or `protect` must"));
    }
    if (problems.items.len == 0 and policy != null) {
        try problems.append(allocator, try problem("", "already configured"));
    }
    if (problems.items.len == 0) policy = configured;
    return problems.items;
}

fn parseEntries(key: []const u8, listed: []const []const u8, problems: *std.ArrayList(Problem)) Error![]const Entry {
    var entries: std.ArrayList(Entry) = .empty;
    for (listed, 0..) |text, at| {
        if (Entry.parse(text)) |entry| {
            try entries.append(allocator, entry);
        } else {
            // Not `allocPrint`, whose writer could send files: it imports WASI.
            var buffer: [32]u8 = undefined;
            const path = std.fmt.bufPrint(&buffer, "/{s}/{d}", .{ key, at }) catch unreachable;
            try problems.append(allocator, try problem(path, "is neither `Field` nor `Module.Field`, by API names"));
        }
    }
    return entries.items;
}

// --- the policy

const FieldMask = struct {
    hide: []const Entry,
    protect: []const Entry,

    fn onRequest(self: FieldMask, request: *const Request) Error!Answer {
        if (!request.operation.fields.is_some) {
            const hint = "name the fields you need: `fields=` on a read, columns in COQL";
            return deny("fields_unknown", "it cannot be told which fields this request touches", hint);
        }
        const list = request.operation.fields.val;
        const touched = list.ptr[0..list.len];
        return try self.refusal(touched) orelse try self.narrow(request, touched);
    }

    /// What no edit can mend: names that cannot be judged, hidden filters, hidden or protected writes.
    fn refusal(self: FieldMask, touched: []const Field) Error!?Answer {
        for (touched) |field| {
            const of, const name = .{ slice(field.of), slice(field.name) };
            if (!names.isPlain(name)) return try unclear(name);
            const is_hidden = self.hides(of, name);
            switch (field.how) {
                wit.WARDLOCK_POLICY_TYPES_FIELD_USE_FILTER => if (is_hidden) {
                    return try hidden(name, "leave it out of search criteria, conditions and sort order");
                },
                wit.WARDLOCK_POLICY_TYPES_FIELD_USE_WRITE => if (is_hidden or anyCovers(self.protect, of, name)) {
                    const message = try concat(&.{ "may not be written: ", name });
                    return try deny("field_protected", message, "leave it out of the body");
                },
                else => {},
            }
        }
        return null;
    }

    /// Takes hidden fields out of `fields=`, where all that is hidden stands there.
    fn narrow(self: FieldMask, request: *const Request, touched: []const Field) Error!Answer {
        var listed: std.ArrayList([]const u8) = .empty;
        for (request.query.ptr[0..request.query.len]) |parameter| {
            if (!std.mem.eql(u8, slice(parameter.name), "fields")) continue;
            var parts = std.mem.splitScalar(u8, slice(parameter.value), ',');
            while (parts.next()) |part| {
                const name = names.trim(part);
                if (name.len > 0) try listed.append(allocator, name);
            }
        }
        for (listed.items) |name| if (!names.isPlain(name)) return unclear(name);
        for (touched) |field| {
            if (!self.isHiddenRead(field)) continue;
            for (listed.items) |name| {
                if (names.isSame(name, slice(field.name))) break;
            } else return hidden(slice(field.name), "leave it out of the columns");
        }
        var left_out: std.ArrayList([]const u8) = .empty;
        var kept: std.ArrayList([]const u8) = .empty;
        for (listed.items) |name| {
            const side = if (self.isHidden(request, touched, name)) &left_out else &kept;
            try side.append(allocator, name);
        }
        if (left_out.items.len == 0) return allow();
        const all_left_out = try std.mem.join(allocator, ", ", left_out.items);
        if (kept.items.len == 0) return hidden(all_left_out, "ask for other fields");
        const edit = try setQuery("fields", try std.mem.join(allocator, ",", kept.items));
        return shape(&.{edit}, "fields_narrowed", try concat(&.{ "left out: ", all_left_out }));
    }

    /// What the host has not reported is judged all the same, in every module that is touched.
    fn isHidden(self: FieldMask, request: *const Request, touched: []const Field, name: []const u8) bool {
        for (touched) |field| {
            if (self.isHiddenRead(field) and names.isSame(slice(field.name), name)) return true;
        }
        const resources = request.operation.resources;
        for (resources.ptr[0..resources.len]) |of| if (self.hides(slice(of), name)) return true;
        return false;
    }

    fn isHiddenRead(self: FieldMask, field: Field) bool {
        return field.how == wit.WARDLOCK_POLICY_TYPES_FIELD_USE_READ and self.hides(slice(field.of), slice(field.name));
    }

    fn hides(self: FieldMask, of: []const u8, name: []const u8) bool {
        return anyCovers(self.hide, of, name);
    }
};

fn anyCovers(entries: []const Entry, of: []const u8, name: []const u8) bool {
    for (entries) |entry| if (entry.covers(of, name)) return true;
    return false;
}

// --- answers; the bindings free what is in them, so all of it is copied

fn allow() Answer {
    return .{ .verdict = .{ .tag = wit.WARDLOCK_POLICY_TYPES_VERDICT_ALLOW } };
}

fn deny(code: []const u8, message: []const u8, hint: ?[]const u8) Error!Answer {
    const why = try reason(code, message, hint);
    return .{ .verdict = .{ .tag = wit.WARDLOCK_POLICY_TYPES_VERDICT_DENY, .val = .{ .deny = why } } };
}

fn shape(edits: []const Edit, code: []const u8, message: []const u8) Error!Answer {
    const copy = try array(Edit, edits);
    const shaping: wit.wardlock_policy_types_shaping_t = .{
        .edits = .{ .ptr = copy.ptr, .len = copy.len },
        .reason = try reason(code, message, null),
    };
    return .{ .verdict = .{ .tag = wit.WARDLOCK_POLICY_TYPES_VERDICT_SHAPE, .val = .{ .shape = shaping } } };
}

fn reason(code: []const u8, message: []const u8, hint: ?[]const u8) Error!Reason {
    return .{
        .code = try handOver(code),
        .message = try handOver(message),
        .hint = if (hint) |text| .{ .is_some = true, .val = try handOver(text) } else .{},
    };
}

fn hidden(name: []const u8, hint: []const u8) Error!Answer {
    return deny("field_hidden", try concat(&.{ "hidden on this connection: ", name }), hint);
}

fn unclear(name: []const u8) Error!Answer {
    const message = try concat(&.{ "not a plain field name: ", try names.quoted(allocator, name) });
    return deny("field_unclear", message, "use the field's API name");
}

fn setQuery(name: []const u8, value: []const u8) Error!Edit {
    const parameter: wit.wardlock_policy_types_parameter_t = .{ .name = try handOver(name), .value = try handOver(value) };
    return .{ .tag = wit.WARDLOCK_POLICY_TYPES_EDIT_SET_QUERY, .val = .{ .set_query = parameter } };
}

fn problem(path: []const u8, message: []const u8) Error!Problem {
    return .{ .path = try handOver(path), .message = try handOver(message) };
}

// --- between Zig and the bindings

fn slice(text: Text) []const u8 {
    return text.ptr[0..text.len];
}

fn handOver(text: []const u8) Error!Text {
    // Zig's empty slices point anywhere, and the host checks where even an empty text is.
    if (text.len == 0) return .{};
    const copy = try array(u8, text);
    return .{ .ptr = copy.ptr, .len = copy.len };
}

fn array(T: type, items: []const T) Error![]T {
    return allocator.dupe(T, items);
}

fn concat(parts: []const []const u8) Error![]const u8 {
    return std.mem.concat(allocator, u8, parts);
}
