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
            Some(Parameter { name, value: value.clone() })
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
                (Segment::Name(_), Segment::Any(_)) => narrower = true,
                (Segment::Any(_), Segment::Name(_)) => wider = true,
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
            Self::Name(name) | Self::Any(name) => Some(name),
        }
    }

    fn width(&self) -> u8 {
        match self {
            Self::Literal(_) => 0,
            Self::Name(_) => 1,
            Self::Any(_) => 2,
        }
    }

    fn takes(&self, value: &str, rules: &PathRules) -> bool {
        match self {
            Self::Literal(text) => text == value,
            Self::Name(_) => is_api_name(value) && !rules.reserved.contains(value),
            Self::Any(_) => !rules.reserved.contains(value),
        }
    }
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
    let plain = !raw.is_empty()
        && raw != "."
        && raw != ".."
        && raw.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~:@".contains(&b));
    if !plain {
        return Err(format!("`{raw}` is neither a plain segment nor one whole `{{parameter}}`"));
    }
    Ok(Segment::Literal(raw.to_owned()))
}

impl fmt::Display for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            match segment {
                Segment::Literal(text) => write!(f, "/{text}")?,
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
    fn malformed_templates_are_refused() {
        for bad in
            ["", "crm", "/", "/a//b", "/a/../b", "/a/{b", "/a/x{b}", "/a/{}", "/a/{b}/{b}", "/a b", "/a%20b"]
        {
            assert!(PathTemplate::parse(bad, &rules()).is_err(), "accepted {bad}");
        }
    }
}
