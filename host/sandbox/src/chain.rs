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
    let mut request = plugin_request(&context, &classified, shows_content);
    let mut chain = Chain::start(judge, classified);
    let mut plugins = plugins.iter();
    loop {
        let Some((link, current)) = chain.next() else {
            return chain.finish();
        };
        if let Some(changed) = changed(&request, current) {
            request = plugin_request(&context, changed, shows_content);
        }
        let started = Instant::now();
        let answer = ask(link, plugins.next(), &request).await;
        let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        chain.take(answer, micros);
    }
}
