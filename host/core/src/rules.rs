//! The host's own rules: what the workspace file allows before any plugin is asked, and after every change.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::canonical::CanonicalRequest;
use crate::classify::{Classified, check_pins, classify};
use crate::connection::{Connection, WriteMode};
use crate::id::AgentName;
use crate::plugin::Effect;
use crate::refusal::{Code, Refusal};

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
}

/// Judges requests of one agent on one connection: classification and the host's rules, as often as needed.
#[derive(Debug, Clone)]
pub struct Judge {
    connection: Arc<Connection>,
    agent: AgentName,
    writes: WriteMode,
    tenant: Option<String>,
    touched: BTreeMap<String, u64>,
}

impl Judge {
    /// Makes a judge. `enabled` is the write level that is enabled now; the stricter of it and the connection's
    /// ceiling holds.
    pub fn new(connection: Arc<Connection>, agent: AgentName, enabled: WriteMode) -> Self {
        let writes = connection.writes.min(enabled);
        let tenant = connection.tenant.clone();
        Self { connection, agent, writes, tenant, touched: BTreeMap::new() }
    }

    /// Tells how many records writes have touched today, by what bounds that ([`WriteRules::days_of`]); nothing: none.
    ///
    /// [`WriteRules::days_of`]: crate::connection::WriteRules::days_of
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
        classify(&self.connection.service, request)
    }

    /// Applies the host's rules: step 6 of a request's path.
    pub fn check(&self, classified: &Classified) -> Result<(), Refusal> {
        self.check_operation(classified)?;
        self.check_resources(classified)?;
        check_pins(classified, self.tenant.as_deref())?;
        self.check_writes(classified)
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
            return Err(Refusal::new(Code::OperationNotAllowed, "operations", detail));
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
        for resource in &classified.operation().resources {
            let all = allowed.contains("*") && !resource.starts_with('$');
            if resource == IDENTITY_RESOURCE || all || allowed.contains(resource) {
                continue;
            }
            if resource == UNKNOWN_RESOURCE {
                let detail = "the host cannot tell which resources this request touches";
                return Err(Refusal::new(Code::ResourceNotAllowed, "resources", detail).hint(
                    "name them plainly: one module in the path, or a COQL query in the documented grammar",
                ));
            }
            let detail = format!("resource `{resource}` is not among this connection's resources");
            return Err(Refusal::new(Code::ResourceNotAllowed, "resources", detail).hint(format!(
                "allowed here: {}",
                allowed.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
            )));
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
            return Some(HoldingRule { rule: "writes", detail });
        }
        let rules = &self.connection.write_rules;
        let name = &operation.name;
        let is_unattended = rules.unattended.contains(name);
        if operation.effect == Effect::Destructive && !is_unattended {
            let detail = format!("operation `{name}` destroys, so a person must approve it");
            return Some(HoldingRule { rule: "destructive", detail });
        }
        let of_all = (!is_unattended).then_some(("", rules.max_records));
        let own = rules.limits_of(operation).filter_map(|(what, limit)| Some((what, limit.max_records?)));
        let tightest = of_all.into_iter().chain(own).min_by_key(|(_, most)| *most);
        tightest.and_then(|(what, most)| too_broad(what, most, operation.breadth)).or_else(|| {
            rules.days_of(operation).find_map(|(what, most)| self.beyond_day(what, most, operation.breadth))
        })
    }

    fn beyond_day(&self, what: &str, most: u32, breadth: Option<u32>) -> Option<HoldingRule> {
        let touched = self.touched.get(what).copied().unwrap_or(0);
        let detail = match breadth {
            Some(breadth) if touched.saturating_add(u64::from(breadth)) <= u64::from(most) => return None,
            Some(breadth) => format!(
                "this touches {breadth} records, today's writes{} have touched {touched}, and at most {most} a day pass without a \
                 person's approval",
                of(what)
            ),
            None => format!(
                "the host cannot tell how many records this touches, and at most {most} a day{} pass without a person's approval",
                of(what)
            ),
        };
        Some(HoldingRule { rule: "max_records_a_day", detail })
    }
}

fn too_broad(what: &str, most: u32, breadth: Option<u32>) -> Option<HoldingRule> {
    let detail = match breadth {
        Some(breadth) if breadth <= most => return None,
        Some(breadth) => format!(
            "this touches {breadth} records and at most {most}{} pass without a person's approval",
            of(what)
        ),
        None => "the host cannot tell how many records this touches, so a person must approve it".to_owned(),
    };
    Some(HoldingRule { rule: "max_records", detail })
}

/// Says what a bound is of, where it is not of all writes.
fn of(what: &str) -> String {
    if what.is_empty() { String::new() } else { format!(" of `{what}`") }
}

#[cfg(test)]
mod tests;
