//! A visitor as one who gives commands: says nothing while they run, and signs with a passkey.

use std::pin::Pin;
use std::sync::Arc;

use serde_json::Value;

use super::NAME;
use super::visitors::{Visitor, Visitors};
use crate::admin::{Brought, Command, Failure, Page};
use crate::gate::Gate;
use crate::host::Host;
use crate::operators::{HomeIdentity, Signed, text_of};
use crate::ops::{self, Talk};

/// A command under way.
type Asked<'a> = Pin<Box<dyn Future<Output = Result<Value, Failure>> + Send + 'a>>;

/// Has a command carried out that nobody signs.
pub(super) async fn ask(gate: &Arc<Gate>, command: Command) -> Result<Value, Failure> {
    // In a box: what commands await is deep.
    let asked: Asked<'_> = Box::pin(ops::at_the_gate(gate, command, Brought::Nothing, &Unsigned));
    asked.await
}

/// Has a command carried out that a visitor's passkey signed.
pub(super) async fn ask_signed(
    host: &Arc<Host>,
    visitor: &Visitor,
    command: Command,
    signed: Signed,
) -> Result<Value, Failure> {
    let talk = Signing { visitors: host.visitors(), visitor, signed, now_ms: host.now_ms() };
    let asked: Asked<'_> = Box::pin(ops::execute(host, command, Brought::Nothing, &talk));
    asked.await
}

struct Unsigned;

impl Talk for Unsigned {
    fn say(&self, _text: String) {}

    fn open(&self, _page: Page) {}

    fn wait(&self, _text: String) {}

    fn name(&self) -> &'static str {
        NAME
    }
}

struct Signing<'a> {
    visitors: &'a Visitors,
    visitor: &'a Visitor,
    signed: Signed,
    now_ms: u64,
}

impl Talk for Signing<'_> {
    fn say(&self, _text: String) {}

    fn open(&self, _page: Page) {}

    fn wait(&self, _text: String) {}

    fn name(&self) -> &'static str {
        NAME
    }

    /// Only what was asked of this visitor's passkey and not answered yet is handed on: the number in its text was made here.
    fn signed(
        &self,
        home: &HomeIdentity,
        command: &Command,
        _brought: &Brought,
    ) -> Result<Option<Signed>, String> {
        if self.visitors.asked(self.visitor, &text_of(home, command, &self.signed.nonce, None), self.now_ms) {
            return Ok(Some(self.signed.clone()));
        }
        Err("no passkey was asked for this here, or it answered already, or too late".to_owned())
    }
}
