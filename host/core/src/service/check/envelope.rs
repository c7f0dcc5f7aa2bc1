//! What an operation that carries other calls must hold together.

use std::collections::BTreeSet;

use super::Checked;
use super::operations::Place;
use crate::service::raw::{RawBody, RawBreadth, RawEffect, RawEnvelope, RawOperation, RawPartShape, RawService};

/// As many parts as one row of the audit tells of.
const MOST: u32 = 64;

impl Place<'_> {
    /// All that is known of such a call is what its parts are, and its own host is the only one that they reach.
    pub(super) fn check_envelope(&self, raw: &RawService) -> Checked {
        let operation = self.operation.get_ref();
        let Some(envelope) = &operation.envelope else {
            return Ok(());
        };
        if !matches!(operation.effect, RawEffect::Destructive) {
            return self
                .fail("effect", "what carries other calls does what the worst of them does")
                .map_err(|error| error.hint("write \"destructive\"; each request counts as what its parts do"));
        }
        if says_more(operation) {
            return self
                .fail("envelope", "what it touches is what its parts touch")
                .map_err(|error| {
                    error.hint(
                        "write `resources = []`, and leave out fields, breadth, destructive_with, dry_run, current and replay_safe",
                    )
                });
        }
        if !operation.body.is_read() {
            return self.fail(
                "body",
                "the parts stand in the body, so `body` must be \"json\", \"form\" or \"json_or_form\"",
            );
        }
        if raw.inject.get_ref().extra.iter().any(|extra| extra.get_ref().param.is_some()) {
            return self.fail(
                "envelope",
                "the host adds a value of the connection to each request of this service, and can add none to a part",
            );
        }
        self.check_parts(envelope)
    }

    fn check_parts(&self, envelope: &RawEnvelope) -> Checked {
        if !(1..=MOST).contains(&envelope.most) {
            return self.fail("envelope.most", format!("from 1 to {MOST} parts can be judged and recorded"));
        }
        if envelope.references.iter().any(String::is_empty) {
            return self.fail("envelope.references", "an empty text stands in every part");
        }
        let names = envelope.switches.iter().chain([&envelope.list]);
        if let Some(name) = names.chain(members(&envelope.part)).find(|name| name.is_empty()) {
            return self.fail("envelope", format!("`{name}` names no member"));
        }
        if envelope.switches.contains(&envelope.list) {
            return self.fail("envelope.switches", format!("`{}` is the list of parts", envelope.list));
        }
        if let Some(switch) = envelope.all_or_nothing.as_ref().filter(|name| !envelope.switches.contains(*name)) {
            return self.fail("envelope.all_or_nothing", format!("`{switch}` is none of `switches`"));
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = members(&envelope.part).find(|name| !seen.insert(name.as_str())) {
            return self.fail("envelope.part", format!("`{twice}` stands for two things"));
        }
        if envelope.part.body.is_some() && envelope.part.form.is_some() {
            return self.fail("envelope.part", "a part has one body: `body` or `form`");
        }
        let as_json = self.operation.get_ref().body == RawBody::Json;
        if envelope.part.body.is_some() && !as_json {
            return self
                .fail("body", "JSON bodies of parts are judged as they stand, so all of it must be \"json\"");
        }
        if envelope.part.version_of_call && !(envelope.part.relative && self.begins_with_version()) {
            let problem = "only what carries parts at `/{version}` has a version for those whose path is relative";
            return self
                .fail("envelope.part", problem)
                .map_err(|error| error.hint("write `relative = true`, or leave `version_of_call` out"));
        }
        let answer = &envelope.answer;
        let pointers =
            [&answer.status, &answer.body].into_iter().chain(Some(&answer.list).filter(|list| !list.is_empty()));
        match pointers.into_iter().find(|pointer| !pointer.starts_with('/')) {
            Some(pointer) => {
                self.fail("envelope.answer", format!("`{pointer}` is not a JSON pointer; one begins with `/`"))
            }
            None => Ok(()),
        }
    }
}

impl Place<'_> {
    fn begins_with_version(&self) -> bool {
        let path = self.operation.get_ref().path.get_ref();
        path.split('/').nth(1) == Some("{version}")
    }
}

/// Returns every member that a part may have.
fn members(part: &RawPartShape) -> impl Iterator<Item = &String> {
    let optional = [&part.id, &part.query, &part.headers, &part.body, &part.form];
    [&part.method, &part.uri].into_iter().chain(optional.into_iter().flatten())
}

/// Whether an operation says more of itself than that it carries others.
fn says_more(operation: &RawOperation) -> bool {
    let lists =
        operation.resources.is_empty() && operation.fields.is_empty() && operation.destructive_with.is_empty();
    let is_unbounded = matches!(operation.breadth, RawBreadth::Unbounded);
    let asks = operation.dry_run.is_some() || operation.current.is_some() || operation.replay_safe == Some(true);
    !lists || operation.fields_known || !is_unbounded || asks
}
