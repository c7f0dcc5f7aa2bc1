//! What the settings list: fields, in every module or in one.

const std = @import("std");
const names = @import("names.zig");

/// `Field`, or `Module.Field`.
pub const Entry = struct {
    module: ?[]const u8,
    field: []const u8,

    pub fn parse(text: []const u8) ?Entry {
        const dot = std.mem.indexOfScalar(u8, text, '.');
        const module = if (dot) |at| text[0..at] else null;
        const field = if (dot) |at| text[at + 1 ..] else text;
        if (std.mem.indexOfScalar(u8, field, '.') != null or !names.isPlain(field)) return null;
        if (module) |own| if (!names.isPlain(own)) return null;
        if (std.mem.indexOfScalar(u8, text, '*') != null) return null;
        return .{ .module = module, .field = field };
    }

    /// A dotted name goes through lookups: `Account_Name.Phone` is a phone of some other module, so every part
    /// counts, and only the first is known to be the request's own module's.
    pub fn covers(entry: Entry, of: []const u8, name: []const u8) bool {
        if (std.mem.eql(u8, name, "*")) return true;
        var segments = std.mem.splitScalar(u8, name, '.');
        var known = of.len > 0;
        while (segments.next()) |segment| : (known = false) {
            const is_of_module = if (entry.module) |own| !known or names.isSame(own, of) else true;
            if (is_of_module and names.isSame(entry.field, segment)) return true;
        }
        return false;
    }
};
