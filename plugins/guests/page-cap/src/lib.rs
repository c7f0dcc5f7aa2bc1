//! Bounds how many records one read returns.
//!
//! A list that could return more is shaped to `per_page=<max>`; a read that no page size bounds (COQL has its
//! limit in the query's text) is refused. Writes are not its business. With `max_page`, pages beyond it and
//! page tokens, whose depth nobody can tell, are refused; COQL's offset is not seen here.

use serde::Deserialize;
use wardlock_plugin::{
    Answer, Description, Effect, Policy, Problem, Request, allow, deny, describe, edit, export, shape,
};

/// What Zoho allows at most.
const MOST: u32 = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    max: u32,
    max_page: Option<u32>,
}

struct PageCap(Settings);

impl Policy for PageCap {
    type Settings = Settings;

    fn describe() -> Description {
        describe!("shape")
    }

    fn schema() -> &'static str {
        include_str!("../schema.json")
    }

    fn configure(settings: Settings) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        if !(1..=MOST).contains(&settings.max) {
            problems.push(Problem::at("/max", format!("must be from 1 to {MOST}")));
        }
        if settings.max_page == Some(0) {
            problems.push(Problem::at("/max_page", "must be at least 1"));
        }
        if problems.is_empty() { Ok(Self(settings)) } else { Err(problems) }
    }

    fn on_request(&self, request: &Request) -> Answer {
        if request.operation.effect != Effect::Read {
            return allow();
        }
        self.too_deep(request).unwrap_or_else(|| self.cap(request))
    }
}

impl PageCap {
    fn too_deep(&self, request: &Request) -> Option<Answer> {
        let max_page = self.0.max_page?;
        let by_token = request.query("page_token").next().is_some();
        let in_depth = |page: &str| number(page).is_some_and(|page| (1..=max_page).contains(&page));
        if !by_token && request.query("page").all(in_depth) {
            return None;
        }
        let message = format!("this connection reads no further than page {max_page}");
        Some(deny("page_too_deep", message).hint("narrow the search instead of paging on, by `page` only"))
    }

    fn cap(&self, request: &Request) -> Answer {
        let max = self.0.max;
        let asked: Vec<&str> = request.query("per_page").collect();
        let modest = match asked[..] {
            [] => true,
            [one] => number(one).is_some_and(|records| (1..=max).contains(&records)),
            _ => false,
        };
        let bounded = !request.operation.touches_more_than(max);
        if bounded && modest {
            return allow();
        }
        // A page size bounds a list: not a query in a body, not records by id, and not a read that already
        // has a modest one and may still return more.
        let is_list = request.method == "GET" && request.query("ids").next().is_none();
        let page_size_bounds = is_list && (asked.is_empty() || !modest);
        if !page_size_bounds {
            let message = format!("this read may return more than {max} records");
            return deny("page_too_large", message).hint(format!(
                "ask for at most {max} records at once: `limit {max}` in COQL, fewer ids, a smaller page"
            ));
        }
        let message = format!("at most {max} records a page");
        shape(vec![edit::set_query("per_page", max.to_string())], "page_capped", message)
    }
}

/// Digits and nothing else: what one parser reads as 5 and another as 500 is no number.
fn number(text: &str) -> Option<u32> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) || text.starts_with('0') {
        return None;
    }
    text.parse().ok()
}

export!(PageCap);

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<u32>) {
        assert_eq!(number(text), expected, "{text:?}");
    }

    #[test]
    fn only_plain_numbers_count() {
        check("1", Some(1));
        check("200", Some(200));
        for odd in ["", "0", "007", "+5", "-1", " 5", "5 ", "1e2", "5.0", "٥", "99999999999"] {
            check(odd, None);
        }
    }

    #[test]
    fn cases_hold() {
        wardlock_plugin::cases::check::<PageCap>(env!("CARGO_MANIFEST_DIR"));
    }
}
