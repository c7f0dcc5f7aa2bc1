//! The host's own rules: what the workspace file allows before any plugin is asked, and after every change.

use std::sync::Arc;

use crate::canonical::CanonicalRequest;
use crate::classify::{Classified, ENVELOPE_RULE, Part, check_named, check_pins, classify};
use crate::connection::{Connection, WriteMode};
use crate::id::AgentName;
use crate::plugin::Effect;
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
}

impl Judge {
    /// Makes a judge. `enabled` is the write level that is enabled now; the stricter of it and the connection's
    /// ceiling holds.
    pub fn new(connection: Arc<Connection>, agent: AgentName, enabled: WriteMode) -> Self {
        let writes = connection.writes.min(enabled);
        let tenant = connection.tenant.clone();
        Self { connection, agent, writes, tenant }
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
            return Some(HoldingRule { rule: "writes", detail, part: None });
        }
        if !classified.parts().is_empty() {
            return self.holds_parts(classified.parts());
        }
        let rules = &self.connection.write_rules;
        let name = &operation.name;
        if rules.unattended.contains(name) {
            return None;
        }
        if operation.effect == Effect::Destructive {
            let detail = format!("operation `{name}` destroys, so a person must approve it");
            return Some(HoldingRule { rule: "destructive", detail, part: None });
        }
        self.holds_breadth(operation.breadth)
    }

    /// Holds what a part would be held for, and what its writes are together.
    fn holds_parts(&self, parts: &[Part]) -> Option<HoldingRule> {
        let held = parts.iter().find_map(|part| {
            let held = self.holds(part.classified())?;
            Some(HoldingRule { part: Some(part.named()), ..held })
        });
        let attended = parts.iter().map(|part| part.classified().operation()).filter(|operation| {
            operation.effect != Effect::Read && !self.connection.write_rules.unattended.contains(&operation.name)
        });
        let sum = |sum: u32, breadth: Option<u32>| sum.checked_add(breadth?);
        let mut breadths = attended.map(|operation| operation.breadth);
        held.or_else(|| self.holds_breadth(breadths.try_fold(0, sum)))
    }

    fn holds_breadth(&self, breadth: Option<u32>) -> Option<HoldingRule> {
        let most = self.connection.write_rules.max_records;
        let detail = match breadth {
            Some(breadth) if breadth <= most => return None,
            Some(breadth) => {
                format!("this touches {breadth} records and at most {most} pass without a person's approval")
            }
            None => "the host cannot tell how many records this touches, so a person must approve it".to_owned(),
        };
        Some(HoldingRule { rule: "max_records", detail, part: None })
    }
}
