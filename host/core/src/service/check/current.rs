//! What must hold together where an operation says how its records are read before they change.

use super::Checked;
use super::operations::Place;
use crate::pointer::is_pointer;
use crate::service::raw::{RawCurrent, RawEffect, RawIds, RawNames};

impl Place<'_> {
    pub(super) fn check_current(&self) -> Checked {
        let operation = self.operation.get_ref();
        let Some(current) = &operation.current else { return Ok(()) };
        let ways = [current.records.is_some(), current.steps.is_some(), !current.ids.is_empty()]
            .into_iter()
            .filter(|is| *is);
        if ways.count() > 1 {
            return self.fail("current", "records are named in one way: `records`, `steps` or `ids`");
        }
        if let Some(pointer) = pointers(current).find(|pointer| !is_pointer(pointer)) {
            return self.fail("current", format!("`{pointer}` is not a JSON pointer; one begins with `/`"));
        }
        let in_body = current.records.is_some()
            || current.steps.is_some()
            || current.ids.iter().any(|place| matches!(place, RawIds::Body(_)));
        if in_body && !operation.body.is_read() {
            return self
                .fail("body", "`current` reads it, so `body` must be \"json\", \"form\" or \"json_or_form\"");
        }
        if !in_body && operation.effect != RawEffect::Destructive {
            return self
                .fail("current", "nothing says what would stand there, so all that it names would be gone")
                .map_err(|error| {
                    error.hint("write under `records` where the record stands in the body; empty, it is the body")
                });
        }
        if current.search.is_some() && (current.records.is_none() || current.names == RawNames::Gaql) {
            return self.fail("current.search", "it finds records of `records`, by names as the body has them");
        }
        Ok(())
    }
}

fn pointers(current: &RawCurrent) -> impl Iterator<Item = &String> {
    let ids = current.ids.iter().filter_map(|place| match place {
        RawIds::Body(pointer) => Some(pointer),
        RawIds::Query(_) => None,
    });
    let search = current.search.iter().flat_map(|search| [&search.by, &search.found]);
    let steps = current.steps.iter().map(|steps| &steps.at);
    [&current.found].into_iter().chain(&current.records).chain(ids).chain(search).chain(steps)
}
