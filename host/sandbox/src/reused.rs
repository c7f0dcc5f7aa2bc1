//! One instance for many requests. For the bench only, which measures fresh instances against it: nothing in the
//! product keeps an instance, because what one request leaves in it the next would find.

use wardlock_core::plugin::{Answer, PluginFault, PluginRequest};

use crate::adapt::{self, Shown};
use crate::engine::Running;
use crate::instance::Live;
use crate::log::SharedLog;
use crate::plugin::Plugin;
use crate::takes::Takes;

/// A plugin's instance that stays.
#[doc(hidden)]
pub struct Reused<'a> {
    live: Live<'a>,
    plugin: &'a Plugin,
    _running: Running<'a>,
}

impl Plugin {
    /// Starts an instance that stays, in this process. It has no time limit and no place at the gate.
    #[doc(hidden)]
    pub async fn reused(&self, first: &PluginRequest) -> Result<Reused<'_>, PluginFault> {
        let Some((runtime, linked, settings)) = self.inside() else {
            return Err(PluginFault::Engine { what: "only in this process".to_owned() });
        };
        let request = (first.id.as_str(), first.now_ms);
        let log = SharedLog::default();
        let live = linked.start(settings, &self.call, request, &log, Takes::NO_CAPABILITY).await?;
        Ok(Reused { live, plugin: self, _running: runtime.running() })
    }
}

impl Reused<'_> {
    /// Judges a request.
    #[doc(hidden)]
    pub async fn decide(&mut self, request: &PluginRequest) -> Result<Answer, PluginFault> {
        adapt::answer(self.live.on_request(&Shown::new(request, self.plugin.call.body)).await?)
    }
}
