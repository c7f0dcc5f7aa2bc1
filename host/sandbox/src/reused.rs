//! One instance for many requests. For the bench only, which measures fresh instances against it: nothing in the
//! product keeps an instance, because what one request leaves in it the next would find.

use wardlock_core::plugin::{Answer, PluginFault, PluginRequest};

use crate::adapt::{self, Shown};
use crate::engine::Running;
use crate::instance::Live;
use crate::plugin::Plugin;

/// A plugin's instance that stays.
#[doc(hidden)]
pub struct Reused<'a> {
    live: Live<'a>,
    plugin: &'a Plugin,
    _running: Running<'a>,
}

impl Plugin {
    /// Starts an instance that stays. It has no time limit and no place at the gate.
    #[doc(hidden)]
    pub async fn reused(&self, first: &PluginRequest) -> Result<Reused<'_>, PluginFault> {
        let running = self.running();
        Ok(Reused { live: self.start(first).await?, plugin: self, _running: running })
    }
}

impl Reused<'_> {
    /// Judges a request.
    #[doc(hidden)]
    pub async fn decide(&mut self, request: &PluginRequest) -> Result<Answer, PluginFault> {
        adapt::answer(self.live.on_request(&Shown::new(request, self.plugin.body)).await?)
    }
}
