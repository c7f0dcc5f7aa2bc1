//! Says what serde and the TOML parser found, in this product's words.

/// What is wrong, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wording {
    pub(super) problem: String,
    pub(super) hint: Option<String>,
}

/// Returns the known name that is meant, if one is near enough to be meant.
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let given_low = given.to_lowercase();
    let scored = known.into_iter().map(|name| {
        let name_low = name.to_lowercase();
        let distance = strsim::damerau_levenshtein(&given_low, &name_low);
        // A name cut short, or carrying something more, is near as well.
        let contained = given_low.len() >= 4 && (name_low.contains(&given_low) || given_low.contains(&name_low));
        (if contained { distance.min(2) } else { distance }, name)
    });
    let (distance, name) = scored.min_by_key(|(distance, _)| *distance)?;
    (distance <= (given.chars().count() / 3).max(1) || (distance <= 2 && given.len() >= 4)).then_some(name)
}

/// Returns `did you mean …?`, or the whole list where nothing is near and the list is short.
pub(super) fn suggestion<'a>(given: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Option<String> {
    if let Some(name) = nearest(given, known.clone()) {
        return Some(format!("did you mean `{name}`?"));
    }
    let names: Vec<String> = known.into_iter().map(|name| format!("`{name}`")).collect();
    (!names.is_empty() && names.len() <= 24).then(|| format!("known are {}", names.join(", ")))
}

/// Keys that must be there and are tables, in services and cases: what is missing does not say what it would be.
const TABLES: [&str; 4] = ["answer", "expect", "inject", "regions"];

/// Translates a message of serde's or of the TOML parser's.
pub(super) fn translate(message: &str) -> Wording {
    let message = message.lines().next().unwrap_or_default().trim();
    if let Some(rest) = message.strip_prefix("unknown field ") {
        let names = quoted(rest);
        let (given, known) = names.split_first().map_or(("", &[][..]), |(given, known)| (*given, known));
        return Wording {
            problem: format!("there is no key `{given}` here"),
            hint: suggestion(given, known.iter().copied()),
        };
    }
    if let Some(rest) = message.strip_prefix("unknown variant ") {
        let names = quoted(rest);
        let (given, known) = names.split_first().map_or(("", &[][..]), |(given, known)| (*given, known));
        let known: Vec<String> = known.iter().map(|name| format!("\"{name}\"")).collect();
        return Wording {
            problem: format!("`{given}` is not one of the values of this key"),
            hint: Some(format!("write one of {}", known.join(", "))),
        };
    }
    if let Some(rest) = message.strip_prefix("missing field ") {
        let name = quoted(rest).first().copied().unwrap_or_default();
        if TABLES.contains(&name) {
            let problem = format!("the table `[{name}]` is missing");
            return Wording { problem, hint: Some(format!("add a line `[{name}]`, and its keys below it")) };
        }
        return Wording {
            problem: format!("the key `{name}` is missing"),
            hint: Some(format!("add a line `{name} = …`")),
        };
    }
    if let Some(rest) = message.strip_prefix("invalid type: ") {
        return wrong_type(rest);
    }
    if let Some(rest) = message.strip_prefix("invalid value: ") {
        return out_of_range(rest).unwrap_or_else(|| Wording { problem: message.to_owned(), hint: None });
    }
    Wording { problem: message.to_owned(), hint: None }
}

/// Says between what a number must be; `None`: it is another value that does not fit.
fn out_of_range(rest: &str) -> Option<Wording> {
    let (found, expected) = rest.strip_prefix("integer `")?.split_once("`, expected ")?;
    let range = match expected {
        "u8" => format!("from 0 to {}", u8::MAX),
        "u16" => format!("from 0 to {}", u16::MAX),
        "u32" => format!("from 0 to {}", u32::MAX),
        // What TOML can write reaches no further than these.
        "u64" | "usize" => "from 0 on".to_owned(),
        _ => return None,
    };
    Some(Wording { problem: format!("a whole number {range} is wanted, and {found} stands here"), hint: None })
}

fn wrong_type(rest: &str) -> Wording {
    let (found, expected) = rest.rsplit_once(", expected ").unwrap_or((rest, "another"));
    // The value itself is left out: the line is shown, where that is safe.
    let found = match found.split_once(['`', '"']) {
        Some((kind, _)) => kind.trim(),
        None => found.trim(),
    };
    let expected = match expected {
        "a string" | "string" => "text in quotes",
        "a sequence" => "a list in square brackets",
        "a map" => "a table",
        expected if expected.starts_with("struct ") => "a table",
        "a boolean" => "`true` or `false`",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number",
        other => other,
    };
    let found = match found {
        "sequence" => "a list",
        "map" => "a table",
        "string" => "text",
        "integer" | "floating point" => "a number",
        "boolean" => "`true` or `false`",
        other => other,
    };
    let hint = (expected == "text in quotes" && found == "a number").then(|| "put quotes around it".to_owned());
    Wording { problem: format!("{expected} is wanted, and {found} stands here"), hint }
}

/// Returns what stands between backticks.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(given: &str, expected: Option<&str>) {
        let known = ["label", "service", "region", "grant", "operations", "records.read", "writes"];
        assert_eq!(nearest(given, known), expected, "{given}");
    }

    #[test]
    fn number_out_of_range_is_told_the_range() {
        for (message, problem) in [
            (
                "invalid value: integer `-1`, expected u32",
                "a whole number from 0 to 4294967295 is wanted, and -1 stands here",
            ),
            (
                "invalid value: integer `-7`, expected usize",
                "a whole number from 0 on is wanted, and -7 stands here",
            ),
            ("invalid value: string \"x\", expected a size", "invalid value: string \"x\", expected a size"),
        ] {
            assert_eq!(translate(message).problem, problem);
        }
    }

    #[test]
    fn only_what_may_be_meant_is_suggested() {
        check("lable", Some("label"));
        check("Region", Some("region"));
        check("operation", Some("operations"));
        check("record.read", Some("records.read"));
        check("write", Some("writes"));
        check("colour", None);
        check("x", None);
    }

    #[test]
    fn a_table_that_is_missing_is_told_as_a_table() {
        let told = |name: &str| translate(&format!("missing field `{name}`")).hint.expect("a hint");
        assert_eq!(told("expect"), "add a line `[expect]`, and its keys below it");
        assert_eq!(told("label"), "add a line `label = …`");
    }
}
