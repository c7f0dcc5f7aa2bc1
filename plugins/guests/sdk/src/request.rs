//! Reading a request.

use crate::{Attribute, Effect, Field, FieldUse, Header, Operation, Request};

impl Request {
    /// Returns the values of every query parameter called `name`, in order.
    pub fn query(&self, name: &str) -> impl Iterator<Item = &str> {
        self.query.iter().filter(move |parameter| parameter.name == name).map(|parameter| &*parameter.value)
    }

    /// Returns the values of every header called `name`, in order.
    pub fn header(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        headers_named(&self.headers, name)
    }

    /// Returns the body's bytes: only with the capability `body`.
    pub fn content(&self) -> Option<&[u8]> {
        self.body.as_ref()?.content.as_deref()
    }

    /// Returns what the host tells beyond the record's own fields.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        value_of(&self.attributes, name)
    }
}

impl Operation {
    /// Returns whether one request may touch more than `records` records; an unknown number is more than any.
    pub fn touches_more_than(&self, records: u32) -> bool {
        self.breadth.is_none_or(|breadth| breadth > records)
    }

    /// Returns what the host tells beyond the record's own fields.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        value_of(&self.attributes, name)
    }
}

impl Effect {
    /// Returns the effect's name, as in policies and cases.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Destructive => "destructive",
        }
    }
}

impl FieldUse {
    /// Returns the use's name, as in cases.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Filter => "filter",
            Self::Write => "write",
        }
    }
}

impl Field {
    /// Returns the parts of a dotted name: `Account_Name.Phone` is the phone of the looked-up account.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.name.split('.')
    }
}

/// Returns the values of every header called `name`, in order.
pub(crate) fn headers_named<'a>(headers: &'a [Header], name: &str) -> impl Iterator<Item = &'a [u8]> {
    headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name)).map(|header| &*header.value)
}

/// Returns the value of the first attribute called `name`.
pub(crate) fn value_of<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a str> {
    attributes.iter().find(|attribute| attribute.name == name).map(|attribute| &*attribute.value)
}
