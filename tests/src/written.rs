//! Guests written as WebAssembly text: what a compiler of Rust would never make.
//!
//! One template (`tests/guests/written/plugin.wat`) is a plugin that allows; each guest changes a few places of it.
//! Most behave while they are loaded, when the clock stands at zero, and attack when they serve.

use std::collections::BTreeMap;
use std::fmt::Write as _;

const TEMPLATE: &str = include_str!("../guests/written/plugin.wat");

/// What each place of the template holds where a guest does not say otherwise.
const PLACES: [(&str, &str); 11] = [
    ("pages", "2"),
    ("data", ""),
    ("component", ""),
    ("module", ""),
    ("start", ""),
    ("describe", ""),
    ("schema", ""),
    ("configure", ""),
    ("on-request", ""),
    ("answered", ""),
    ("realloc", ""),
];

/// The records of `wit/`, each after those that it is made of.
const TYPES: [(&str, &str); 17] = [
    ("attribute", r#"(record (field "name" string) (field "value" string))"#),
    ("header", r#"(record (field "name" string) (field "value" (list u8)))"#),
    ("parameter", r#"(record (field "name" string) (field "value" string))"#),
    ("effect", r#"(enum "read" "write" "destructive")"#),
    ("field-use", r#"(enum "read" "filter" "write")"#),
    ("field", r#"(record (field "of" string) (field "name" string) (field "how" $field-use))"#),
    (
        "operation",
        r#"(record (field "service" string) (field "name" string) (field "effect" $effect)
            (field "resources" (list string)) (field "fields" (option (list $field))) (field "breadth" (option u32))
            (field "attributes" (list $attribute)))"#,
    ),
    (
        "caller",
        r#"(record (field "workspace" string) (field "connection" string) (field "agent" string)
            (field "region" string) (field "tenant" (option string)))"#,
    ),
    (
        "payload",
        r#"(record (field "length" u64) (field "content-type" (option string)) (field "sha256" (list u8))
            (field "content" (option (list u8))))"#,
    ),
    (
        "request",
        r#"(record (field "id" string) (field "now-ms" u64) (field "caller" $caller) (field "operation" $operation)
            (field "method" string) (field "path" string) (field "query" (list $parameter))
            (field "headers" (list $header)) (field "body" (option $payload)) (field "purpose" (option string))
            (field "dry-run" bool) (field "approved-by" (option string)) (field "attributes" (list $attribute)))"#,
    ),
    (
        "reason",
        r#"(record (field "code" string) (field "message" string) (field "hint" (option string))
            (field "retry-after-seconds" (option u32)) (field "attributes" (list $attribute)))"#,
    ),
    (
        "edit",
        r#"(variant (case "set-header" $header) (case "remove-header" string) (case "set-query" $parameter)
            (case "remove-query" string) (case "set-json" (tuple string string)) (case "replace-body" (list u8)))"#,
    ),
    ("shaping", r#"(record (field "edits" (list $edit)) (field "reason" $reason))"#),
    ("verdict", r#"(variant (case "allow") (case "deny" $reason) (case "hold" $reason) (case "shape" $shaping))"#),
    ("answer", r#"(record (field "verdict" $verdict) (field "notes" (list $attribute)))"#),
    ("problem", r#"(record (field "path" string) (field "message" string))"#),
    (
        "description",
        r#"(record (field "name" string) (field "version" string) (field "capabilities" (list string))
            (field "attributes" (list $attribute)))"#,
    ),
];

/// Runs for ever, once it serves.
const LOOP: &str = "(if (call $serving) (then (loop $on (br $on))))";
/// Where the template's code and message stand: address and length.
const CODE: [u32; 2] = [281, 4];
const MESSAGE: [u32; 2] = [288, 7];
/// Where a guest keeps what its answer points at.
const ROOM: u32 = 4096;
/// A million notes of twice 16,000 bytes, all of them the same bytes: much from little.
const MUCH_FROM_LITTLE: &str = "(local $at i32) (local.set $at (i32.const 16384))
    (loop $on
      (i32.store offset=4 (local.get $at) (i32.const 16000)) (i32.store offset=12 (local.get $at) (i32.const 16000))
      (local.set $at (i32.add (local.get $at) (i32.const 16)))
      (br_if $on (i32.lt_u (local.get $at) (i32.const 114688))))
    (i32.store (i32.const 2104) (i32.const 16384)) (i32.store (i32.const 2108) (i32.const 6144))";

/// Builds the written guest called `name`, if there is one.
pub(crate) fn component(name: &str) -> Option<Vec<u8>> {
    let places = places(name)?;
    Some(wat::parse_str(text(&places)).unwrap_or_else(|error| panic!("the guest `{name}`: {error}")))
}

/// What a guest puts into the template.
fn places(name: &str) -> Option<Vec<(&'static str, String)>> {
    let one = |place, text: &str| Some(vec![(place, text.to_owned())]);
    let answers = |text: String| Some(vec![("module", text)]);
    match name {
        "allows" => Some(Vec::new()),
        "begins-with-data" => one("data", "(data (i32.const 5000) \"what its memory begins with\")"),
        "remembers" => Some(vec![
            ("module", "(global $used (mut i32) (i32.const 0))".to_owned()),
            ("on-request", REMEMBERS.to_owned()),
        ]),
        // Time.
        "loop-in-start" => one("start", "(loop $on (br $on))"),
        "loop-in-settings" => one("configure", "(loop $on (br $on))"),
        "loop-in-request" => one("on-request", LOOP),
        "loop-in-realloc" => {
            one("realloc", "(if (i32.gt_u (local.get $size) (i32.const 2)) (then (loop $on (br $on))))")
        }
        // Nothing may be called there, the clock neither, and nothing else runs it than a request's answer.
        "loop-after-answer" => one("answered", "(loop $on (br $on))"),
        "loop-while-described" => one("describe", "(loop $on (br $on))"),
        "loop-of-fills" => one(
            "on-request",
            "(drop (memory.grow (i32.const 150)))
             (loop $on (memory.fill (i32.const 65536) (i32.const 1) (i32.const 9000000)) (br $on))",
        ),
        "loop-of-copies" => one(
            "on-request",
            "(drop (memory.grow (i32.const 150)))
             (loop $on (memory.copy (i32.const 65536) (i32.const 65537) (i32.const 9000000)) (br $on))",
        ),
        "loop-of-table-fills" => Some(vec![
            ("module", "(table $t 20000 funcref)".to_owned()),
            (
                "on-request",
                "(loop $on (table.fill $t (i32.const 0) (ref.null func) (i32.const 20000)) (br $on))".to_owned(),
            ),
        ]),
        // Memory and tables.
        "memory-grows" => one("on-request", "(loop $on (drop (memory.grow (i32.const 1))) (br $on))"),
        "memory-grows-at-once" => one("on-request", "(drop (memory.grow (i32.const 60000)))"),
        "memory-grows-in-start" => one("start", "(drop (memory.grow (i32.const 60000)))"),
        "memory-from-the-start" => one("pages", "600"),
        "table-grows" => Some(vec![
            ("module", "(table $t 1 funcref)".to_owned()),
            (
                "on-request",
                "(loop $on (drop (table.grow $t (ref.null func) (i32.const 500))) (br $on))".to_owned(),
            ),
        ]),
        // Traps.
        "unreachable" => one("on-request", "unreachable"),
        "unreachable-in-start" => one("start", "unreachable"),
        "divides-by-zero" => one("on-request", "(drop (i32.div_u (i32.const 1) (i32.const 0)))"),
        "reads-beyond-memory" => one("on-request", "(drop (i32.load (i32.const -4)))"),
        "calls-an-empty-place" => Some(vec![
            ("module", "(table $t 1 funcref)".to_owned()),
            ("on-request", "(call_indirect $t (i32.const 0))".to_owned()),
        ]),
        "recurses" => Some(vec![
            ("module", "(func $deeper (result i32) (i32.add (call $deeper) (i32.const 1)))".to_owned()),
            ("on-request", "(drop (call $deeper))".to_owned()),
        ]),
        // Answers that are none.
        "string-beyond-memory" => answers(deny(CODE, [MESSAGE[0], 0x7fff_ffff])),
        "string-around-memory" => answers(deny(CODE, [0xffff_ffff, 16])),
        "answer-misaligned" => one("on-request", "(return (i32.const 2049))"),
        "answer-beyond-memory" => one("on-request", "(return (i32.const 0x7ffffff8))"),
        "list-misaligned" => answers(words(2104, &[ROOM + 1, 1])),
        "list-beyond-memory" => answers(words(2104, &[ROOM, 0x0fff_ffff])),
        "list-around-memory" => answers(words(2104, &[0xffff_fff0, 2])),
        "much-from-little" => one("on-request", MUCH_FROM_LITTLE),
        "many-empty-notes" => one(
            "on-request",
            "(drop (memory.grow (i32.const 200)))
             (i32.store (i32.const 2104) (i32.const 131072)) (i32.store (i32.const 2108) (i32.const 800000))",
        ),
        "code-not-utf8" => answers(deny([ROOM, 3], MESSAGE) + &bytes(ROOM, b"\xff\xfe\xfd")),
        "message-half-of-a-pair" => answers(deny(CODE, [ROOM, 3]) + &bytes(ROOM, b"\xed\xa0\x80")),
        "message-cut-off" => answers(deny(CODE, [ROOM, 2]) + &bytes(ROOM, b"a\xc3")),
        "note-not-utf8" => answers(
            words(2104, &[ROOM, 1]) + &words(ROOM, &[ROOM + 16, 1, ROOM + 16, 1]) + &bytes(ROOM + 16, b"\x80"),
        ),
        "verdict-of-no-kind" => answers(words(2048, &[4])),
        "verdict-of-the-last-kind" => answers(words(2048, &[255])),
        "hint-neither-there-nor-not" => answers(deny(CODE, MESSAGE) + &words(2068, &[2])),
        "edit-of-no-kind" => answers(shape(ROOM, 1) + &words(ROOM, &[6])),
        "settings-neither-taken-nor-refused" => answers(words(1072, &[2])),
        "name-not-utf8" => answers(bytes(256, b"\xff")),
        "calls-out-of-realloc" => one("realloc", "(drop (call $serving))"),
        // Components that must not load.
        "memory-beyond-all" => one("pages", "2000"),
        "many-memories" => Some(vec![("component", instances("(memory 1)", 5))]),
        "many-tables" => Some(vec![("component", instances("(table 1 funcref)", 17))]),
        "many-instances" => Some(vec![("component", instances("", 70))]),
        "large-table" => one("module", "(table 20001 funcref)"),
        "asks-more-of-a-clock" => one("component", MORE_OF_A_CLOCK),
        _ => None,
    }
}

/// Traps where a global, its memory or what it grows of it holds what another request left there.
const REMEMBERS: &str = "(drop (memory.grow (i32.const 100)))
    (if (i32.or (global.get $used) (i32.or (i32.load (i32.const 12288)) (i32.load (i32.const 6000000))))
      (then unreachable))
    (global.set $used (i32.const 1))
    (i32.store (i32.const 12288) (i32.const 1)) (i32.store (i32.const 6000000) (i32.const 1))";

/// An interface that is linked, with a function that it does not have.
const MORE_OF_A_CLOCK: &str =
    r#"(import "wasi:clocks/monotonic-clock@0.2.0" (instance (export "set" (func (param "to" u64)))))"#;

fn text(places: &[(&'static str, String)]) -> String {
    let mut filled: BTreeMap<&str, String> = PLACES.map(|(place, text)| (place, text.to_owned())).into();
    filled.extend(places.iter().cloned());
    let [mut types, mut imported, mut exported, mut given] = [const { String::new() }; 4];
    for (name, body) in TYPES {
        let _ = writeln!(types, "  (type ${name} {body})");
        let _ = writeln!(imported, "    (type ${name}-of-wit {body})");
        let _ = writeln!(imported, "    (import \"type-{name}\" (type ${name} (eq ${name}-of-wit)))");
        let _ = writeln!(exported, "    (type ${name}-of-export {})", of_exports(body));
        let _ = writeln!(exported, "    (export ${name}-out \"{name}\" (type ${name}-of-export))");
        let _ = writeln!(given, "    (with \"type-{name}\" (type ${name}))");
    }
    let lists =
        [("types", types), ("imported types", imported), ("exported types", exported), ("given types", given)];
    filled.extend(lists);
    let template = TEMPLATE.to_owned();
    filled.iter().fold(template, |text, (place, with)| text.replace(&format!("{{{place}}}"), with))
}

/// A type's body in terms of the exported types: each `$name` is `$name-out`.
fn of_exports(body: &str) -> String {
    let mut parts = body.split('$');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let end = part.find(|c: char| !(c.is_ascii_lowercase() || c == '-')).unwrap_or(part.len());
        format!("{text}${}-out{}", &part[..end], &part[end..])
    })
}

/// An answer that denies, with code and message by address and length.
fn deny(code: [u32; 2], message: [u32; 2]) -> String {
    words(2048, &[1, code[0], code[1], message[0], message[1]])
}

/// An answer that shapes by the edits at an address.
fn shape(edits: u32, count: u32) -> String {
    words(2048, &[3, edits, count, CODE[0], CODE[1], MESSAGE[0], MESSAGE[1]])
}

/// So many instances of one small module, beside the plugin's own.
fn instances(module: &str, count: usize) -> String {
    format!("(core module $small {module})") + &"(core instance (instantiate $small))".repeat(count)
}

fn words(at: u32, words: &[u32]) -> String {
    bytes(at, &words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>())
}

fn bytes(at: u32, bytes: &[u8]) -> String {
    let escaped: String = bytes.iter().flat_map(|&byte| ["\\".to_owned(), hex::encode([byte])]).collect();
    format!("(data (i32.const {at}) \"{escaped}\")\n")
}
