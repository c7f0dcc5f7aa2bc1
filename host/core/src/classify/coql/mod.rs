//! COQL: which modules and columns a query touches, and how many rows it may give.
//!
//! The parser must never see less than the server does. So a query with a backslash is read both with and without
//! escapes, and touches what either reading touches; what is outside the grammar is not understood, and the caller
//! then treats it as touching everything.

pub(super) mod lexer;
mod parser;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use self::lexer::{LexError, tokens};
use self::parser::{Select, parse};
use super::names::{Touched, parts};
use super::unread::{Unread, check_select};
use crate::plugin::FieldUse;
use crate::service::ServiceDefinition;

/// The longest query that is read.
const MAX_LENGTH: usize = 64 * 1024;

/// Something in the query is outside the grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct NotUnderstood;

/// What a query touches.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Query {
    pub(super) touched: Touched,
    /// The most rows, by each reading; `None` where it does not say.
    limits: Vec<Option<u32>>,
}

impl Query {
    /// Returns the most rows, with the provider's default where the query does not say.
    pub(super) fn rows(&self, default: u32) -> u32 {
        self.limits.iter().map(|limit| limit.unwrap_or(default)).max().unwrap_or(default)
    }
}

/// Reads a query.
pub(super) fn read(service: &ServiceDefinition, text: &str) -> Result<Query, Unread> {
    check_select(text)?;
    if text.len() > MAX_LENGTH {
        return Err(Unread::SOMEWHERE);
    }
    let readings: &[bool] = if text.contains('\\') { &[false, true] } else { &[false] };
    let mut query = Query::default();
    for &escapes in readings {
        let tokens = match tokens(text, escapes) {
            Ok(tokens) => tokens,
            Err(LexError::Impossible) => continue,
            Err(LexError::Unknown) => return Err(Unread::uncut(text, escapes)),
        };
        let select = parse(&tokens).map_err(|stopped| Unread::behind(text, escapes, stopped))?;
        resolve(service, &select, &mut query.touched).map_err(|NotUnderstood| Unread::SOMEWHERE)?;
        query.limits.push(select.limit);
    }
    if query.limits.is_empty() { Err(Unread::uncut(text, false)) } else { Ok(query) }
}

/// Adds what one `select` and the queries within touch.
fn resolve(service: &ServiceDefinition, select: &Select, touched: &mut Touched) -> Result<(), NotUnderstood> {
    for (module, _) in &select.sources {
        match parts(module).as_deref() {
            Some([one]) => touched.resources.insert((*one).to_owned()),
            _ => return Err(NotUnderstood),
        };
    }
    for (column, _) in &select.columns {
        add_column(service, select, column, FieldUse::Read, touched)?;
    }
    for column in &select.filters {
        add_column(service, select, column, FieldUse::Filter, touched)?;
        // An alias may stand for a column, and a column may have an alias's name: both are touched.
        for (named, _) in select.columns.iter().filter(|(_, alias)| alias.as_deref() == Some(column)) {
            add_column(service, select, named, FieldUse::Filter, touched)?;
        }
    }
    select.inner.iter().try_for_each(|inner| resolve(service, inner, touched))
}

fn add_column(
    service: &ServiceDefinition,
    select: &Select,
    column: &str,
    how: FieldUse,
    touched: &mut Touched,
) -> Result<(), NotUnderstood> {
    // `What_Id->Leads.Email`: a lookup that may lead to several modules, with the one that is meant.
    if let Some((lookup, rest)) = column.split_once("->") {
        let target = parts(rest).ok_or(NotUnderstood)?;
        let (module, path) = target.split_first().ok_or(NotUnderstood)?;
        add_column(service, select, lookup, how, touched)?;
        touched.resources.insert((*module).to_owned());
        touched.path(service, module, path, how);
        return Ok(());
    }
    let path = parts(column).ok_or(NotUnderstood)?;
    let modules = meant_modules(select, path[0]);
    if path.len() > 1 && !modules.is_empty() {
        for module in &modules {
            touched.path(service, module, &path[1..], how);
        }
        // An alias that is a lookup's name as well could be read as the lookup.
        if !select.sources.iter().any(|(module, _)| service.lookup(module, path[0]).is_some()) {
            return Ok(());
        }
    }
    for (module, _) in &select.sources {
        touched.path(service, module, &path, how);
    }
    Ok(())
}

/// Returns the modules that a qualifier names: by alias, or by their own name.
fn meant_modules<'a>(select: &'a Select, qualifier: &str) -> BTreeSet<&'a str> {
    let meant =
        select.sources.iter().filter(|(module, alias)| alias.as_deref() == Some(qualifier) || module == qualifier);
    meant.map(|(module, _)| module.as_str()).collect()
}
