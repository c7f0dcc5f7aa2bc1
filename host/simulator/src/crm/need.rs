//! What a session may do, in the CRM's words.

use super::scope;
use super::trouble;
use crate::api::Trouble;
use crate::session::Session;
use crate::wire::Reply;

impl Session {
    /// Refuses unless one of the rows is granted in full: a disjunction of conjunctions.
    pub fn need(&self, rows: &[&[&str]]) -> Result<(), Reply> {
        if self.is_granted(rows) { Ok(()) } else { Err(trouble(Trouble::ScopeMismatch)) }
    }

    /// Refuses unless the operation on the module is granted.
    pub fn need_module(&self, module: &str, operation: &str) -> Result<(), Reply> {
        self.need(&[&[&scope::of_module(module, operation)]])
    }
}
