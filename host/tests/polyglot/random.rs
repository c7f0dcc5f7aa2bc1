//! Settings and requests out of a seed: few names, so that they meet, in many spellings, with what the languages of the
//! plugins see differently: white space, case beyond ASCII, quotes, control characters, characters above U+FFFF.

use serde_json::{Map, Value, json};
use wardlock_core::canonical::{Header, Parameter};
use wardlock_core::id::Digest;
use wardlock_core::plugin::{Caller, Effect, Field, FieldUse, OperationView, Payload, PluginRequest};

const FIELDS: [&str; 5] = ["Email", "Phone", "Last_Name", "Account_Name", "$cf:score-1"];
const MODULES: [&str; 3] = ["Leads", "Contacts", "Key"];
/// What is no plain name, in the ways in which it is none.
const ODD: [&str; 24] = [
    "",
    ".",
    "Email.",
    ".Email",
    "Account_Name..Phone",
    "Ema\u{456}l",
    "\u{212a}ey",
    "\u{ff25}mail",
    "E\u{301}mail",
    "na\u{ef}ve",
    "\u{130}d",
    "Email\0",
    "Email\n",
    "Em\tail",
    "\u{7f}",
    "\u{9b}31m",
    "\u{202e}liamE",
    "\u{2028}",
    "\u{feff}Email",
    "\u{1f600}",
    "\u{10ffff}",
    "\"Email\"",
    "it's",
    "back\\slash",
];
/// What Unicode calls white space, and may stand around names.
const SPACES: [&str; 9] =
    ["", " ", "  ", "\t", "\u{b}\r\n", "\u{85}", "\u{a0}", "\u{1680}\u{2003}", "\u{3000}\u{2029}"];
/// What some language takes for white space, and Unicode does not.
const NO_SPACES: [&str; 5] = ["\u{1c}", "\u{1f}", "\u{feff}", "\u{200b}", "\u{180e}"];
const OPERATIONS: [(&str, &str, &str); 5] = [
    ("records.list", "GET", "/crm/v8/Leads"),
    ("records.search", "GET", "/crm/v8/Leads/search"),
    ("records.update", "PUT", "/crm/v8/Leads/1"),
    ("coql.query", "POST", "/crm/v8/coql"),
    ("records.delete", "DELETE", "/crm/v8/Leads/1"),
];

/// `SplitMix64` (Steele, Lea and Flood 2014): the same numbers for the same seed, everywhere.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.roll() % limit as u64).expect("below a usize")
    }

    fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn some_of<T>(&mut self, most: usize, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(most + 1)).map(|_| make(self)).collect()
    }
}

/// Settings: most are taken, some name nothing, or something that is no field.
pub fn settings(dice: &mut Dice) -> Value {
    let mut settings = Map::new();
    for (key, most) in [("hide", 4), ("protect", 3)] {
        if dice.percent(85) {
            settings.insert(key.to_owned(), Value::from(dice.some_of(most, entry)));
        }
    }
    if dice.percent(3) {
        settings.insert("hid".to_owned(), json!([]));
    }
    if dice.percent(3) {
        settings
            .insert("protect".to_owned(), dice.pick(&["null", "[7]", "\"Email\"", "{}"]).parse().expect("JSON"));
    }
    Value::Object(settings)
}

fn entry(dice: &mut Dice) -> String {
    if dice.percent(4) {
        return dice
            .pick(&["a.b.c", "*", "Leads.*", "Leads.", ".Email", " Email", "Ema\u{456}l", "Email\n", ""])
            .to_owned();
    }
    let field = spelt(dice, &FIELDS);
    if dice.percent(50) { format!("{}.{field}", spelt(dice, &MODULES)) } else { field }
}

/// A request; its fields and what it lists in `fields=` have some names in common.
pub fn request(dice: &mut Dice, number: u64) -> PluginRequest {
    let fields = (!dice.percent(4)).then(|| dice.some_of(5, field));
    let (name, method, path) = dice.pick(&OPERATIONS);
    PluginRequest {
        id: format!("req_{number}"),
        now_ms: dice.roll() % 4_000_000_000_000,
        caller: caller(dice),
        query: query(dice, fields.as_deref().unwrap_or_default()),
        operation: OperationView {
            service: "zoho-crm".to_owned(),
            name: name.to_owned(),
            effect: dice.pick(&[Effect::Read, Effect::Write, Effect::Destructive]),
            resources: dice.some_of(2, module),
            fields,
            breadth: dice.percent(50).then_some(200),
            attributes: Vec::new(),
        },
        method,
        path: path.to_owned(),
        headers: dice
            .some_of(2, |_| Header { name: "accept".to_owned(), value: b"application/json\xff".to_vec() }),
        body: dice.percent(30).then(payload),
        purpose: dice.percent(30).then(|| "monthly report \u{1f4c8}".to_owned()),
        dry_run: dice.percent(20),
        approved_by: dice.percent(10).then(|| "jo".to_owned()),
        attributes: Vec::new(),
    }
}

fn caller(dice: &mut Dice) -> Caller {
    Caller {
        workspace: "acme".to_owned(),
        connection: "zoho".to_owned(),
        agent: "reporter".to_owned(),
        region: dice.pick(&["eu", "us"]).to_owned(),
        tenant: dice.percent(50).then(|| "20071234567".to_owned()),
    }
}

fn payload() -> Payload {
    let content = br#"{"select_query":"select Email from Leads where Phone is not null"}"#.to_vec();
    Payload {
        length: content.len() as u64,
        content_type: Some("application/json".to_owned()),
        sha256: Digest::of(&content),
        content,
    }
}

fn field(dice: &mut Dice) -> Field {
    let uses = [FieldUse::Read, FieldUse::Read, FieldUse::Read, FieldUse::Read, FieldUse::Filter, FieldUse::Write];
    Field { of: module(dice), name: name(dice), how: dice.pick(&uses) }
}

/// A module. The host cannot tell every one, and names come as they are: that of `Key` has a look-alike, with the Kelvin
/// sign, which is a `k` in lower case.
fn module(dice: &mut Dice) -> String {
    match dice.below(20) {
        0 => String::new(),
        1 => dice.pick(&ODD).to_owned(),
        2 | 3 => "\u{212a}ey".to_owned(),
        _ => spelt(dice, &MODULES),
    }
}

/// A name of a field: plain, behind lookups, all of them, or odd.
fn name(dice: &mut Dice) -> String {
    match dice.below(100) {
        0 => "*".to_owned(),
        1 => dice.pick(&ODD).to_owned(),
        // Longer than a message may be.
        2 if dice.percent(10) => "\u{e9}".repeat(1500),
        3..20 => [spelt(dice, &FIELDS), spelt(dice, &FIELDS)].join("."),
        20 => [spelt(dice, &FIELDS), spelt(dice, &FIELDS), spelt(dice, &FIELDS)].join("."),
        _ => spelt(dice, &FIELDS),
    }
}

/// A name in the case in which it stands there, or in another.
fn spelt(dice: &mut Dice, of: &[&str]) -> String {
    let name = dice.pick(of);
    match dice.below(10) {
        0 => name.to_ascii_lowercase(),
        1 => name.to_ascii_uppercase(),
        _ => name.to_owned(),
    }
}

/// Parameters, among them none, one or several `fields`.
fn query(dice: &mut Dice, touched: &[Field]) -> Vec<Parameter> {
    let mut query = dice.some_of(2, |dice| {
        let name = dice.pick(&["page", "Fields", "sort_by", "fields ", "criteria"]);
        Parameter { name: name.to_owned(), value: dice.pick(&["1", "Email", "(Email:equals:x)"]).to_owned() }
    });
    for _ in 0..dice.pick(&[0, 1, 1, 1, 1, 2, 3]) {
        query.push(Parameter { name: "fields".to_owned(), value: list(dice, touched) });
    }
    query
}

/// What stands in one `fields=`: most often all that is touched, and more.
fn list(dice: &mut Dice, touched: &[Field]) -> String {
    let mut names = dice.some_of(3, name);
    if dice.percent(75) {
        names.extend(touched.iter().map(|field| field.name.clone()));
    }
    if dice.percent(10) {
        names.push(String::new());
    }
    let (is_neat, is_odd) = (dice.percent(50), dice.percent(10));
    let mut padding = || match (is_neat, is_odd) {
        (true, _) => "",
        (false, false) => dice.pick(&SPACES),
        (false, true) => dice.pick(&NO_SPACES),
    };
    names.iter().map(|name| format!("{}{name}{}", padding(), padding())).collect::<Vec<_>>().join(",")
}
