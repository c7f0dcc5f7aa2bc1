//! Step 7 of a request's path: the plugin chain, in order, each on the request as the one before left it.
//!
//! `wardlock_core::chain` knows the rules; this only asks the plugins.

use std::sync::Arc;
use std::time::Instant;

use wardlock_core::canonical::CanonicalRequest;
use wardlock_core::chain::{Chain, ChainOutcome, Turn, Within};
use wardlock_core::classify::Classified;
use wardlock_core::connection::{Link, LinkMode};
use wardlock_core::id::{Digest, RequestId};
use wardlock_core::plugin::{
    Answer, Attribute, Caller, Payload, PluginFault, PluginRequest, PluginResponse, ResponseAnswer, Verdict,
};
use wardlock_core::rules::Judge;

use crate::adapt::BodyView;
use crate::plugin::Plugin;
use crate::takes::Quotas;

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

/// What one plugin was asked, and what it said: for whoever records it.
#[derive(Debug, Clone)]
pub struct AskedPlugin {
    /// The plugin.
    pub plugin: Arc<Plugin>,
    /// The request as it stood for it. The bytes of the body are there where any plugin of the chain sees them; this one did if
    /// [`Plugin::sees_body`].
    pub request: Arc<PluginRequest>,
    /// What it said.
    pub answer: Result<Answer, PluginFault>,
}

/// Runs a connection's chain on a request that passed the host's rules.
///
/// Of a request that carries others, plugins judge each of those, and are shown nothing but it.
///
/// `plugins` are the loaded ones, in the order of the connection's links. A plugin that is not the one of its link is
/// a fault, and faults deny. `quotas` counts what they take. Where `asked` is given, what each of them was asked goes there.
pub async fn run_chain(
    judge: &Judge,
    plugins: &[Arc<Plugin>],
    context: &RequestContext,
    quotas: &Arc<dyn Quotas>,
    classified: Classified,
    mut asked: Option<&mut Vec<AskedPlugin>>,
) -> (Classified, ChainOutcome) {
    let shows_content = plugins.iter().any(|plugin| plugin.call.body == BodyView::Content);
    let mut chain = Chain::start(judge, classified);
    let mut request = None;
    let mut of_part = None;
    while let Some(Turn { at, link, request: current, within }) = chain.next() {
        let part = within.map(|within| within.part);
        if of_part != part {
            (request, of_part) = (None, part);
        }
        let shown =
            request.get_or_insert_with(|| Arc::new(context.request_within(current, within, shows_content)));
        let started = Instant::now();
        let plugin = plugins.get(at).filter(|plugin| is_of(plugin, link));
        let answer = match plugin {
            // Boxed: what awaits this is deep already, and its size would be in every future above it.
            Some(plugin) => Box::pin(plugin.decide_counted(shown, quotas)).await,
            None => Err(another()),
        };
        let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        if let (Some(asked), Some(plugin)) = (asked.as_deref_mut(), plugin) {
            let (plugin, request) = (Arc::clone(plugin), Arc::clone(shown));
            asked.push(AskedPlugin { plugin, request, answer: answer.clone() });
            quotas.asked();
        }
        if matches!(&answer, Ok(Answer { verdict: Verdict::Shape(..), .. })) {
            request = None; // The next plugin sees it as it is then.
        }
        chain.take(answer, micros);
    }
    // What is kept for a person is not sent now, so nobody's answer is at stake.
    if !context.dry_run && (context.approved_by.is_some() || !chain.waits()) {
        let chained = judge.connection().chain.iter().zip(plugins).filter(|(link, plugin)| is_of(plugin, link));
        let_send(&mut chain, &context.caller.agent, chained);
    }
    chain.finish()
}

/// Asks the plugins that judge answers whether they would. Last, so that the one request that is let go as a probe is one that goes.
fn let_send<'a>(chain: &mut Chain<'_>, agent: &str, plugins: impl Iterator<Item = (&'a Link, &'a Arc<Plugin>)>) {
    for (link, plugin) in plugins {
        if chain.is_denied() {
            return;
        }
        if link.mode == LinkMode::Enforce
            && let Err(fault) = plugin.let_send(agent)
        {
            chain.take_unasked(link, &fault);
        }
    }
}

/// Asks one plugin of a connection's chain about an answer.
pub async fn ask_about_answer(
    link: &Link,
    plugin: &Plugin,
    response: &PluginResponse,
) -> Result<ResponseAnswer, PluginFault> {
    if is_of(plugin, link) { Box::pin(plugin.judge_answer(response)).await } else { Err(another()) }
}

fn is_of(plugin: &Plugin, link: &Link) -> bool {
    *plugin.name() == link.name
        && plugin.digest() == link.digest
        && plugin.settings_digest() == link.settings
        && plugin.hooks() == link.hooks
        && *plugin.capabilities() == link.capabilities
}

fn another() -> PluginFault {
    PluginFault::Engine { what: "the loaded plugin is not the one of its link".to_owned() }
}

impl RequestContext {
    /// Returns a classified request as plugins see it; the bytes of its body only with `content`.
    pub fn request(&self, classified: &Classified, content: bool) -> PluginRequest {
        self.request_within(classified, None, content)
    }

    /// The same for one that another carries: its attributes say so.
    fn request_within(&self, classified: &Classified, within: Option<Within<'_>>, content: bool) -> PluginRequest {
        let attribute = |name: &str, value: String| Attribute { name: name.to_owned(), value };
        let attributes = within.map(|Within { envelope, part }| {
            vec![attribute("envelope", envelope.to_owned()), attribute("part", part.to_string())]
        });
        let request = classified.request();
        PluginRequest {
            id: self.id.to_string(),
            now_ms: self.now_ms,
            caller: self.caller.clone(),
            operation: classified.operation().clone(),
            method: request.method().as_str(),
            path: request.path(),
            query: request.query().to_vec(),
            headers: request.headers().to_vec(),
            body: payload(request, content),
            purpose: self.purpose.clone(),
            dry_run: self.dry_run,
            approved_by: self.approved_by.clone(),
            attributes: attributes.unwrap_or_default(),
        }
    }
}

/// The bytes are only copied where a plugin of the chain sees them; [`Plugin::decide`] hides them from the others.
fn payload(request: &CanonicalRequest, content: bool) -> Option<Payload> {
    let body = request.body();
    if body.is_empty() {
        return None;
    }
    let content_type = request.header("content-type").and_then(|value| std::str::from_utf8(value).ok());
    Some(Payload {
        length: body.len() as u64,
        content_type: content_type.map(str::to_owned),
        sha256: Digest::of(body),
        content: if content { body.to_vec() } else { Vec::new() },
    })
}
