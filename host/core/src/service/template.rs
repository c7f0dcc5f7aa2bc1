//! Path templates: which paths an operation covers.
//!
//! A template is a list of segments, each a literal or a parameter. Matching works on decoded segments and is
//! case-sensitive, because a path in another case is another path for some servers. Where two templates cover
//! one path, the one with the literal wins; two of which neither is the narrower are an error of the definition.

use std::collections::BTreeSet;
use std::fmt;

use crate::canonical::Parameter;

/// How a service's path templates are read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PathRules {
    /// Parameters whose values must look like an API name.
    pub names: BTreeSet<String>,
    /// Segments that no parameter ever takes: words with a meaning of their own at the provider.
    pub reserved: BTreeSet<String>,
}

/// One segment of a template. The order is that of width.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// Exactly this text.
    Literal(String),
    /// A parameter within fixed text (`act_{account}`, `{resource}:mutate`).
    Pattern {
        /// Text before the value.
        before: String,
        /// The parameter.
        name: String,
        /// Text after the value.
        after: String,
    },
    /// A parameter whose value must look like an API name: a letter, then letters, digits and `_`.
    Name(String),
    /// A parameter with any value (Zoho's record ids may be external ids, that is: anything).
    Any(String),
}

/// A path template, as it stands in a service definition (`/crm/v8/{module}/{id}`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathTemplate {
    segments: Vec<Segment>,
}

/// How two templates' paths lie to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overlap {
    /// No path fits both.
    None,
    /// Every path that fits the first fits the second.
    Narrower,
    /// Every path that fits the second fits the first.
    Wider,
    /// They fit the same paths.
    Same,
    /// Some path fits both, and neither is the narrower.
    Ambiguous,
}

impl PathTemplate {
    /// Parses a template; the error says what is wrong with it.
    pub fn parse(text: &str, rules: &PathRules) -> Result<Self, String> {
        let rest = text.strip_prefix('/').ok_or("a path begins with `/`")?;
        let segments = rest.split('/').map(|raw| parse_segment(raw, rules)).collect::<Result<Vec<_>, _>>()?;
        let mut seen = BTreeSet::new();
        for name in segments.iter().filter_map(Segment::parameter) {
            if !seen.insert(name) {
                return Err(format!("parameter `{{{name}}}` stands twice"));
            }
        }
        Ok(Self { segments })
    }

    /// Returns the segments.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Returns whether the template has that parameter.
    pub fn has_parameter(&self, name: &str) -> bool {
        self.segments.iter().any(|segment| segment.parameter() == Some(name))
    }

    /// Returns the path parameters if the decoded segments fit.
    pub fn matches(&self, path: &[String], rules: &PathRules) -> Option<Vec<Parameter>> {
        let fits = path.len() == self.segments.len()
            && self.segments.iter().zip(path).all(|(segment, value)| segment.takes(value, rules));
        if !fits {
            return None;
        }
        let parameters = self.segments.iter().zip(path).filter_map(|(segment, value)| {
            let name = segment.parameter()?.to_owned();
            Some(Parameter { name, value: segment.value(value).to_owned() })
        });
        Some(parameters.collect())
    }

    /// Returns whether this template is the narrower of two that fit the same path.
    pub(super) fn beats(&self, other: &Self) -> bool {
        let widths = |template: &Self| template.segments.iter().map(Segment::width).collect::<Vec<_>>();
        widths(self) < widths(other)
    }

    /// Compares the paths that two templates fit.
    pub(super) fn overlap(&self, other: &Self, rules: &PathRules) -> Overlap {
        if self.segments.len() != other.segments.len() {
            return Overlap::None;
        }
        let (mut narrower, mut wider) = (false, false);
        for (ours, theirs) in self.segments.iter().zip(&other.segments) {
            match (ours, theirs) {
                (Segment::Literal(a), Segment::Literal(b)) if a == b => {}
                (Segment::Literal(_), Segment::Literal(_)) => return Overlap::None,
                (Segment::Literal(literal), parameter) if parameter.takes(literal, rules) => narrower = true,
                (parameter, Segment::Literal(literal)) if parameter.takes(literal, rules) => wider = true,
                (Segment::Literal(_), _) | (_, Segment::Literal(_)) => return Overlap::None,
                (Segment::Pattern { before, after, .. }, Segment::Pattern { before: other, after: end, .. }) => {
                    match (fits_within(before, after, other, end), fits_within(other, end, before, after)) {
                        (true, true) => {}
                        (true, false) => narrower = true,
                        (false, true) => wider = true,
                        (false, false) if excludes(before, after, other, end) => return Overlap::None,
                        (false, false) => return Overlap::Ambiguous,
                    }
                }
                (Segment::Pattern { before, after, .. }, Segment::Name(_))
                | (Segment::Name(_), Segment::Pattern { before, after, .. }) => {
                    if is_api_name(&format!("a{before}{after}")) {
                        return Overlap::Ambiguous;
                    }
                    return Overlap::None;
                }
                (Segment::Pattern { .. } | Segment::Name(_), Segment::Any(_)) => narrower = true,
                (Segment::Any(_), Segment::Pattern { .. } | Segment::Name(_)) => wider = true,
                (Segment::Name(_), Segment::Name(_)) | (Segment::Any(_), Segment::Any(_)) => {}
            }
        }
        match (narrower, wider) {
            (false, false) => Overlap::Same,
            (true, false) => Overlap::Narrower,
            (false, true) => Overlap::Wider,
            (true, true) => Overlap::Ambiguous,
        }
    }
}

impl Segment {
    fn parameter(&self) -> Option<&str> {
        match self {
            Self::Literal(_) => None,
            Self::Name(name) | Self::Any(name) | Self::Pattern { name, .. } => Some(name),
        }
    }

    fn width(&self) -> u8 {
        match self {
            Self::Literal(_) => 0,
            Self::Pattern { before, after, .. } => {
                // The more of it is fixed, the narrower it is.
                200 - u8::try_from((before.len() + after.len()).min(199)).unwrap_or(199)
            }
            Self::Name(_) => 201,
            Self::Any(_) => 202,
        }
    }

    /// Returns the parameter's value within a segment that fits.
    fn value<'v>(&self, segment: &'v str) -> &'v str {
        match self {
            Self::Pattern { before, after, .. } => within(segment, before, after).unwrap_or(segment),
            Self::Literal(_) | Self::Name(_) | Self::Any(_) => segment,
        }
    }

    fn takes(&self, value: &str, rules: &PathRules) -> bool {
        match self {
            Self::Literal(text) => text == value,
            Self::Pattern { before, after, .. } => {
                within(value, before, after).is_some_and(|value| !value.is_empty())
            }
            Self::Name(_) => is_api_name(value) && !rules.reserved.contains(value),
            Self::Any(_) => !rules.reserved.contains(value),
        }
    }
}

/// Returns what stands between two texts.
fn within<'v>(segment: &'v str, before: &str, after: &str) -> Option<&'v str> {
    segment.strip_prefix(before)?.strip_suffix(after)
}

/// Returns whether every segment of one pattern is one of the other.
fn fits_within(before: &str, after: &str, other_before: &str, other_after: &str) -> bool {
    before.starts_with(other_before) && after.ends_with(other_after)
}

/// Returns whether no segment is one of both patterns.
fn excludes(before: &str, after: &str, other_before: &str, other_after: &str) -> bool {
    let begins = before.starts_with(other_before) || other_before.starts_with(before);
    let ends = after.ends_with(other_after) || other_after.ends_with(after);
    !(begins && ends)
}

/// Returns whether a text looks like the API name of a resource or field.
pub(crate) fn is_api_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && text.len() <= 128
}

fn parse_segment(raw: &str, rules: &PathRules) -> Result<Segment, String> {
    if let Some(name) = raw.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        if !is_api_name(name) {
            return Err(format!("`{raw}` is not a parameter: letters, digits and `_` between the braces"));
        }
        let name = name.to_owned();
        return Ok(if rules.names.contains(&name) { Segment::Name(name) } else { Segment::Any(name) });
    }
    let is_plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~:@".contains(&b));
    if let Some((before, rest)) = raw.split_once('{')
        && let Some((name, after)) = rest.split_once('}')
        && is_plain(before)
        && is_plain(after)
        && is_api_name(name)
    {
        return Ok(Segment::Pattern { before: before.to_owned(), name: name.to_owned(), after: after.to_owned() });
    }
    if raw.is_empty() || raw == "." || raw == ".." || !is_plain(raw) {
        return Err(format!("`{raw}` is neither a plain segment nor one with a single `{{parameter}}`"));
    }
    Ok(Segment::Literal(raw.to_owned()))
}

impl fmt::Display for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            match segment {
                Segment::Literal(text) => write!(f, "/{text}")?,
                Segment::Pattern { before, name, after } => write!(f, "/{before}{{{name}}}{after}")?,
                Segment::Name(name) | Segment::Any(name) => write!(f, "/{{{name}}}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> PathRules {
        let set = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        PathRules { names: set(&["module"]), reserved: set(&["settings", "actions"]) }
    }

    fn template(text: &str) -> PathTemplate {
        PathTemplate::parse(text, &rules()).expect(text)
    }

    #[track_caller]
    fn check(text: &str, path: &str, expect: Option<&[(&str, &str)]>) {
        let path: Vec<String> = path.split('/').skip(1).map(str::to_owned).collect();
        let got = template(text).matches(&path, &rules());
        let expect: Option<Vec<Parameter>> = expect.map(|pairs| {
            let parameter =
                |(name, value): &(&str, &str)| Parameter { name: (*name).into(), value: (*value).into() };
            pairs.iter().map(parameter).collect()
        });
        assert_eq!(got, expect, "{text} with {path:?}");
    }

    #[test]
    fn names_look_like_names_and_ids_are_anything() {
        check("/crm/v8/{module}", "/crm/v8/Leads", Some(&[("module", "Leads")]));
        check("/crm/v8/{module}", "/crm/v8/leads", Some(&[("module", "leads")]));
        for no in
            ["/crm/v8/1", "/crm/v8/_x", "/crm/v8/Le ads", "/crm/v8/Läds", "/crm/v8/settings", "/CRM/v8/Leads"]
        {
            check("/crm/v8/{module}", no, None);
        }
        check("/v8/{module}/{id}", "/v8/Leads/a b@c,d", Some(&[("module", "Leads"), ("id", "a b@c,d")]));
        check("/v8/{module}/{id}", "/v8/Leads/actions", None);
        check("/v8/{module}/{id}", "/v8/Leads/1/2", None);
    }

    #[test]
    fn overlaps_are_told_apart() {
        let overlap = |a: &str, b: &str| template(a).overlap(&template(b), &rules());
        assert_eq!(overlap("/a/org", "/a/{module}"), Overlap::Narrower);
        assert_eq!(overlap("/a/{module}", "/a/org"), Overlap::Wider);
        assert_eq!(overlap("/a/{module}", "/a/{id}"), Overlap::Narrower);
        assert_eq!(overlap("/a/{x}", "/a/{y}"), Overlap::Same);
        assert_eq!(overlap("/a/{module}/x", "/a/Leads/{id}"), Overlap::Ambiguous);
        assert_eq!(overlap("/a/settings", "/a/{module}"), Overlap::None);
        assert_eq!(overlap("/a/b", "/a/b/c"), Overlap::None);
        assert!(template("/a/org").beats(&template("/a/{module}")));
    }

    #[test]
    fn a_parameter_may_stand_within_fixed_text() {
        check("/v1/act_{account}/ads", "/v1/act_12/ads", Some(&[("account", "12")]));
        check("/v1/{kind}:mutate", "/v1/campaigns:mutate", Some(&[("kind", "campaigns")]));
        for no in ["/v1/act_", "/v1/ACT_1", "/v1/xact_1"] {
            check("/v1/act_{account}", no, None);
        }
        check("/v1/{kind}:mutate", "/v1/:mutate", None);
        let overlap = |a: &str, b: &str| template(a).overlap(&template(b), &rules());
        assert_eq!(overlap("/v1/act_{a}", "/v1/{id}"), Overlap::Narrower);
        assert_eq!(overlap("/v1/{id}", "/v1/act_{a}"), Overlap::Wider);
        assert_eq!(overlap("/v1/act_1", "/v1/act_{a}"), Overlap::Narrower);
        assert_eq!(overlap("/v1/{a}:mutate", "/v1/{a}:search"), Overlap::None);
        assert_eq!(overlap("/v1/x{a}", "/v1/{a}:x"), Overlap::Ambiguous);
        assert_eq!(overlap("/v1/{a}:mutate", "/v1/{module}"), Overlap::None);
        assert_eq!(overlap("/v1/act_{a}", "/v1/{module}"), Overlap::Ambiguous);
        assert!(template("/v1/act_{a}").beats(&template("/v1/{id}")));
    }

    #[test]
    fn malformed_templates_are_refused() {
        for bad in [
            "",
            "crm",
            "/",
            "/a//b",
            "/a/../b",
            "/a/{b",
            "/a/x{b}{c}",
            "/a/x{b}/{b}",
            "/a/{}",
            "/a/{b}/{b}",
            "/a b",
            "/a%20b",
        ] {
            assert!(PathTemplate::parse(bad, &rules()).is_err(), "accepted {bad}");
        }
    }
}
