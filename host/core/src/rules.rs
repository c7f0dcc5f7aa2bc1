//! The host's own rules: what the workspace file allows before any plugin is asked, and after every change.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use crate::canonical::CanonicalRequest;
use crate::classify::{Classified, ENVELOPE_RULE, Part, Unread, check_named, check_pins, classify};
use crate::connection::{Bound, Connection, WriteMode};
use crate::id::AgentName;
use crate::plugin::{Effect, OperationView};
use crate::refusal::{Code, PartOf, Refusal};

/// Resources of this name mean that the host could not tell.
pub const UNKNOWN_RESOURCE: &str = "$unknown";
/// The account's own identity: readable by default.
pub const IDENTITY_RESOURCE: &str = "$identity";

/// Why the host itself wants a person's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldingRule {
    /// The rule.
    pub rule: &'static str,
    /// One sentence.
    pub detail: String,
    /// The part that it holds, of a request that carries others.
    pub part: Option<PartOf>,
}

/// Judges requests of one agent on one connection: classification and the host's rules, as often as needed.
#[derive(Debug, Clone)]
pub struct Judge {
    connection: Arc<Connection>,
    agent: AgentName,
    writes: WriteMode,
    tenant: Option<String>,
    touched: BTreeMap<String, u64>,
    only_checks: bool,
}

impl Judge {
    /// Makes a judge. `enabled` is the write level that is enabled now; the stricter of it and the connection's
    /// ceiling holds.
    pub fn new(connection: Arc<Connection>, agent: AgentName, enabled: WriteMode) -> Self {
        let writes = connection.writes.min(enabled);
        let tenant = connection.tenant.clone();
        Self { connection, agent, writes, tenant, touched: BTreeMap::new(), only_checks: false }
    }

    /// Tells how many records writes have touched today, by what bounds that ([`WriteRules::a_day`]); nothing: none.
    ///
    /// [`WriteRules::a_day`]: crate::connection::WriteRules::a_day
    #[must_use]
    pub fn having_touched(mut self, touched: BTreeMap<String, u64>) -> Self {
        self.touched = touched;
        self
    }

    /// Tells which tenant the grant was found to be, where the workspace file leaves it open.
    #[must_use]
    pub fn pinned_to(mut self, tenant: Option<String>) -> Self {
        self.tenant = self.tenant.or(tenant);
        self
    }

    /// Takes requests only that the provider checks and does not carry out, and as what reads.
    #[must_use]
    pub fn that_only_checks(mut self, only_checks: bool) -> Self {
        self.only_checks = only_checks;
        self
    }

    /// Returns the connection.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Returns the agent.
    pub fn agent(&self) -> &AgentName {
        &self.agent
    }

    /// Classifies a canonical request: step 5 of a request's path.
    pub fn classify(&self, request: CanonicalRequest) -> Result<Classified, Refusal> {
        let classified = classify(&self.connection.service, request)?;
        if self.only_checks { classified.only_checked() } else { Ok(classified) }
    }

    /// Applies the host's rules: step 6 of a request's path.
    pub fn check(&self, classified: &Classified) -> Result<(), Refusal> {
        self.check_operation(classified)?;
        self.check_parts(classified)?;
        self.check_resources(classified)?;
        check_pins(classified, self.tenant.as_deref())?;
        self.check_writes(classified)
    }

    /// Each part must pass as a request of its own would.
    fn check_parts(&self, classified: &Classified) -> Result<(), Refusal> {
        if classified.parts().is_empty() {
            return Ok(());
        }
        if self.connection.holds_answers() {
            let detail =
                "plugins judge the answers on this connection, and this is the answer to several requests";
            return Err(Refusal::new(Code::EnvelopeUnjudgeable, ENVELOPE_RULE, detail));
        }
        for part in classified.parts() {
            let checked = self.check(part.classified()).and_then(|()| check_named(part.classified()));
            checked.map_err(|refusal| refusal.in_part(part.named()))?;
        }
        Ok(())
    }

    fn check_operation(&self, classified: &Classified) -> Result<(), Refusal> {
        let Some(definition) = classified.definition() else {
            let detail = format!(
                "service `{}` defines no operation for {} {}",
                self.connection.service.name,
                classified.request().method().as_str(),
                classified.template()
            );
            return Err(Refusal::new(Code::UnknownOperation, "operations", detail)
                .hint("an unknown operation counts as destructive and is never sent; `wardlock service show` lists those known"));
        };
        if let Some(reason) = &definition.refused {
            let detail = format!("operation `{}` is refused: {reason}", definition.name);
            let hint = "ask for something else: the service's definition lets nobody allow this operation";
            return Err(Refusal::new(Code::OperationNotAllowed, "operations", detail).hint(hint));
        }
        let name = &definition.name;
        if !self.connection.operations.contains(name) {
            let detail = format!("operation `{name}` is not among this connection's operations");
            return Err(Refusal::new(Code::OperationNotAllowed, "operations", detail).hint(format!(
                "the operator may add `{name}` or one of its groups to `operations` of connection `{}`",
                self.connection.name
            )));
        }
        let narrowed = self.connection.agents.get(&self.agent).and_then(|rules| rules.operations.as_ref());
        if narrowed.is_some_and(|operations| !operations.contains(name)) {
            let detail = format!("operation `{name}` is not among agent `{}`'s operations", self.agent);
            return Err(Refusal::new(Code::OperationNotAllowed, "agents.operations", detail));
        }
        Ok(())
    }

    fn check_resources(&self, classified: &Classified) -> Result<(), Refusal> {
        let allowed = &self.connection.resources;
        if classified.unread() == Some(Unread::NotASelect) {
            let detail = "only a SELECT passes here, whatever this connection's resources are";
            return Err(Refusal::new(Code::NotASelect, "resources", detail));
        }
        for resource in &classified.operation().resources {
            let all = allowed.contains("*") && !resource.starts_with('$');
            if resource == IDENTITY_RESOURCE || all || allowed.contains(resource) {
                continue;
            }
            if resource == UNKNOWN_RESOURCE {
                let mut detail = "the host cannot tell which resources this request touches".to_owned();
                if let Some(Unread::Stopped { at: Some(at) }) = classified.unread() {
                    let _ = write!(detail, ": it reads the query up to character {at}, and not what stands there");
                }
                return Err(Refusal::new(Code::ResourceNotAllowed, "resources", detail)
                    .hint("name them plainly: in the path, or in a query as the provider documents it"));
            }
            let detail = format!("resource `{resource}` is not among this connection's resources");
            let listed = allowed.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            let beyond = if resource.starts_with('$') {
                format!(
                    "; it reaches beyond the pinned account, which `*` does not: the operator may name `{resource}` itself in \
                     `resources` of connection `{}`",
                    self.connection.name
                )
            } else {
                String::new()
            };
            return Err(Refusal::new(Code::ResourceNotAllowed, "resources", detail)
                .hint(format!("allowed here: {listed}{beyond}")));
        }
        Ok(())
    }

    fn check_writes(&self, classified: &Classified) -> Result<(), Refusal> {
        let effect = classified.operation().effect;
        match (effect, self.writes) {
            (Effect::Read, _) | (_, WriteMode::On | WriteMode::Draft) => Ok(()),
            (Effect::Write | Effect::Destructive, WriteMode::Off) => {
                let detail =
                    format!("writes are off on this connection, and this operation is {}", effect.as_str());
                Err(Refusal::new(Code::WritesOff, "writes", detail)
                    .hint("only the operator can enable writes; reading is allowed"))
            }
        }
    }

    /// Returns why a person must say yes, where the host itself wants that: every write in draft mode, and where writes are on
    /// what destroys or is broad.
    pub fn holds(&self, classified: &Classified) -> Option<HoldingRule> {
        let operation = classified.operation();
        if operation.effect == Effect::Read {
            return None;
        }
        if self.writes != WriteMode::On {
            let detail = "writes on this connection are held for a person's approval".to_owned();
            return Some(HoldingRule { rule: "writes", detail, part: None });
        }
        let writes: Vec<Write<'_>> = writes_of(classified).collect();
        writes.iter().find_map(|write| self.holds_one(write)).or_else(|| self.holds_together(&writes))
    }

    /// Holds what destroys, or is too broad by itself.
    fn holds_one(&self, write: &Write<'_>) -> Option<HoldingRule> {
        let (rules, operation) = (&self.connection.write_rules, write.view);
        let name = &operation.name;
        if operation.effect == Effect::Destructive && !rules.unattended.contains(name) {
            let detail = match write.widened_by {
                Some(by) => format!(
                    "operation `{name}` counts as one that destroys with {by}, so a person must approve it"
                ),
                None => format!("operation `{name}` destroys, so a person must approve it"),
            };
            return Some(HoldingRule { rule: "destructive", detail, part: write.part() });
        }
        let detail = beyond(&rules.at_once(std::iter::once(operation)))?;
        Some(HoldingRule { rule: "max_records", detail, part: write.part() })
    }

    /// Holds what all writes of a request are together, and what is beyond the day's records.
    fn holds_together(&self, writes: &[Write<'_>]) -> Option<HoldingRule> {
        let rules = &self.connection.write_rules;
        let views = || writes.iter().map(|write| write.view);
        let at_once = beyond(&rules.at_once(views())).map(|detail| ("max_records", detail));
        let found = at_once.or_else(|| {
            let days = rules.a_day(views());
            let detail = days.iter().find_map(|bound| beyond_day(bound, self.touched.get(bound.what).copied()))?;
            Some(("max_records_a_day", detail))
        });
        found.map(|(rule, detail)| HoldingRule { rule, detail, part: None })
    }
}

/// One write of a request: all of it, or a part.
struct Write<'a> {
    view: &'a OperationView,
    part: Option<&'a Part>,
    /// What makes it worse than its operation is otherwise.
    widened_by: Option<&'a str>,
}

impl Write<'_> {
    fn part(&self) -> Option<PartOf> {
        self.part.map(Part::named)
    }
}

/// Returns what a request writes: itself, or those of its parts that do.
fn writes_of<'a>(classified: &'a Classified) -> impl Iterator<Item = Write<'a>> {
    let parts = classified.parts();
    let write = |of: &'a Classified, part| Write { view: of.operation(), part, widened_by: of.widened_by() };
    let whole = parts.is_empty().then(|| write(classified, None));
    let parts = parts.iter().map(move |part| write(part.classified(), Some(part)));
    whole.into_iter().chain(parts).filter(|write| write.view.effect != Effect::Read)
}

/// Returns the operations by which a request writes: for whoever counts what they touch.
pub fn written(classified: &Classified) -> impl Iterator<Item = &OperationView> {
    writes_of(classified).map(|write| write.view)
}

/// Says which bound is broken: the tightest of those.
fn beyond(bounds: &[Bound<'_>]) -> Option<String> {
    let is_broken = |bound: &&Bound<'_>| bound.records.is_none_or(|records| records > bound.most);
    let broken = bounds.iter().filter(is_broken).min_by_key(|bound| bound.most)?;
    Some(match broken.records {
        Some(records) => format!(
            "this touches {records} records and at most {}{} pass without a person's approval",
            broken.most,
            of(broken.what)
        ),
        None => format!(
            "the host cannot tell how many records this touches, and at most {}{} pass without a person's approval",
            broken.most,
            of(broken.what)
        ),
    })
}

fn beyond_day(bound: &Bound<'_>, touched: Option<u64>) -> Option<String> {
    let (touched, of) = (touched.unwrap_or(0), of(bound.what));
    match bound.records {
        Some(records) if touched.saturating_add(u64::from(records)) <= u64::from(bound.most) => None,
        Some(records) => Some(format!(
            "this touches {records} records, today's writes{of} have touched {touched}, and at most {} a day pass without a person's \
             approval",
            bound.most
        )),
        None => Some(format!(
            "the host cannot tell how many records this touches, and at most {} a day{of} pass without a person's approval",
            bound.most
        )),
    }
}

/// Says what a bound is of, where it is not of all writes.
fn of(what: &str) -> String {
    if what.is_empty() { String::new() } else { format!(" of `{what}`") }
}

#[cfg(test)]
mod tests;
