//! Step 7 of a request's path: the plugin chain, in order, each on the request as the one before left it.
//!
//! `wardlock_core::chain` knows the rules; this only asks the plugins.

use std::sync::Arc;
use std::time::Instant;

use wardlock_core::chain::{Chain, ChainOutcome};
use wardlock_core::classify::Classified;
use wardlock_core::connection::Link;
use wardlock_core::id::{Digest, RequestId};
use wardlock_core::plugin::{Answer, Caller, Payload, PluginFault, PluginRequest, Verdict};
use wardlock_core::rules::Judge;

use crate::adapt::BodyView;
use crate::plugin::Plugin;

/// What plugins are told of a request besides the request itself.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// The request's id.
    pub id: RequestId,
    /// The host's clock, milliseconds since 1970-01-01T00:00:00Z.
    pub now_ms: u64,
    /// Who asks, through what.
    pub caller: Caller,
    /// What the agent gave as its purpose.
    pub purpose: Option<String>,
    /// Whether nothing will be sent.
    pub dry_run: bool,
    /// Who approved it, at release of a draft.
    pub approved_by: Option<String>,
}

/// Runs a connection's chain on a request that passed the host's rules.
///
/// `plugins` are the loaded ones, in the order of the connection's links. A plugin that is not the one of its link is
/// a fault, and faults deny.
pub async fn run_chain(
    judge: &Judge,
    plugins: &[Arc<Plugin>],
    context: RequestContext,
    classified: Classified,
) -> (Classified, ChainOutcome) {
    let shows_content = plugins.iter().any(|plugin| plugin.body == BodyView::Content);
    let mut chain = Chain::start(judge, classified);
    let mut plugins = plugins.iter();
    let mut request = None;
    while let Some((link, current)) = chain.next() {
        let shown = request.get_or_insert_with(|| plugin_request(&context, current, shows_content));
        let started = Instant::now();
        let answer = ask(link, plugins.next(), shown).await;
        let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        if matches!(&answer, Ok(Answer { verdict: Verdict::Shape(..), .. })) {
            request = None; // The next plugin sees it as it is then.
        }
        chain.take(answer, micros);
    }
    chain.finish()
}

async fn ask(link: &Link, plugin: Option<&Arc<Plugin>>, request: &PluginRequest) -> Result<Answer, PluginFault> {
    let fits = |plugin: &&Arc<Plugin>| {
        *plugin.name() == link.name
            && plugin.digest() == link.digest
            && plugin.settings_digest() == link.settings
            && *plugin.capabilities() == link.capabilities
    };
    match plugin.filter(fits) {
        Some(plugin) => plugin.decide(request).await,
        None => Err(PluginFault::Engine { what: "the loaded plugin is not the one of its link".to_owned() }),
    }
}

fn plugin_request(context: &RequestContext, classified: &Classified, shows_content: bool) -> PluginRequest {
    let request = classified.request();
    PluginRequest {
        id: context.id.to_string(),
        now_ms: context.now_ms,
        caller: context.caller.clone(),
        operation: classified.operation().clone(),
        method: request.method().as_str(),
        path: request.path(),
        query: request.query().to_vec(),
        headers: request.headers().to_vec(),
        body: payload(classified, shows_content),
        purpose: context.purpose.clone(),
        dry_run: context.dry_run,
        approved_by: context.approved_by.clone(),
        attributes: Vec::new(),
    }
}

/// The bytes are only copied where a plugin of the chain sees them; [`Plugin::decide`] hides them from the others.
fn payload(classified: &Classified, shows_content: bool) -> Option<Payload> {
    let request = classified.request();
    let body = request.body();
    if body.is_empty() {
        return None;
    }
    let content_type = request.header("content-type").and_then(|value| std::str::from_utf8(value).ok());
    Some(Payload {
        length: body.len() as u64,
        content_type: content_type.map(str::to_owned),
        sha256: Digest::of(body),
        content: if shows_content { body.to_vec() } else { Vec::new() },
    })
}
