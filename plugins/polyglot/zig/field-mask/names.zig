//! Names of fields: what is plain, what is the same, and how an odd one is shown.

const std = @import("std");

/// Only plain names are compared: others might be folded to a hidden one behind our back.
pub fn isPlain(name: []const u8) bool {
    for (name) |byte| {
        if (!std.ascii.isAlphanumeric(byte) and std.mem.indexOfScalar(u8, "_$.-:*", byte) == null) return false;
    }
    var segments = std.mem.splitScalar(u8, name, '.');
    while (segments.next()) |segment| if (segment.len == 0) return false;
    return true;
}

/// Compares without case, of ASCII only.
pub fn isSame(one: []const u8, other: []const u8) bool {
    return std.ascii.eqlIgnoreCase(one, other);
}

/// The characters of Unicode's property White_Space; `std.ascii.whitespace` is the first six.
const white_space = [_][]const u8{
    "\t",       "\n",       "\x0b",     "\x0c",     "\r",       " ",        "\u{85}",   "\u{a0}",   "\u{1680}",
    "\u{2000}", "\u{2001}", "\u{2002}", "\u{2003}", "\u{2004}", "\u{2005}", "\u{2006}", "\u{2007}", "\u{2008}",
    "\u{2009}", "\u{200a}", "\u{2028}", "\u{2029}", "\u{202f}", "\u{205f}", "\u{3000}",
};

/// Trims what Unicode calls white space.
pub fn trim(text: []const u8) []const u8 {
    var trimmed = text;
    again: while (true) {
        for (white_space) |space| {
            if (std.mem.startsWith(u8, trimmed, space)) {
                trimmed = trimmed[space.len..];
                continue :again;
            }
            if (std.mem.endsWith(u8, trimmed, space)) {
                trimmed = trimmed[0 .. trimmed.len - space.len];
                continue :again;
            }
        }
        return trimmed;
    }
}

/// Quotes a name so that a look-alike shows: what is not printable ASCII is spelt `\u{…}`.
pub fn quoted(allocator: std.mem.Allocator, name: []const u8) std.mem.Allocator.Error![]const u8 {
    var text: std.ArrayList(u8) = .empty;
    try text.append(allocator, '"');
    // What comes from the host is well-formed.
    var characters = std.unicode.Utf8View.initUnchecked(name).iterator();
    while (characters.nextCodepoint()) |character| {
        switch (character) {
            '\t' => try text.appendSlice(allocator, "\\t"),
            '\n' => try text.appendSlice(allocator, "\\n"),
            '\r' => try text.appendSlice(allocator, "\\r"),
            '\'', '"', '\\' => try text.appendSlice(allocator, &.{ '\\', @intCast(character) }),
            ' '...'!', '#'...'&', '('...'[', ']'...'~' => try text.append(allocator, @intCast(character)),
            else => {
                var buffer: ["\\u{10ffff}".len]u8 = undefined;
                try text.appendSlice(allocator, std.fmt.bufPrint(&buffer, "\\u{{{x}}}", .{character}) catch unreachable);
            },
        }
    }
    try text.append(allocator, '"');
    return text.items;
}
