//! The members of a JSON object, read so that their values are borrowed from the body or wiped when dropped.

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use wardlock_core::pointer;
use zeroize::Zeroizing;

/// The members of one JSON object, in order, none of them twice.
pub(super) struct Members<'a>(pub(super) Vec<(String, Member<'a>)>);

/// A member's value, as far as a token answer needs it.
pub(super) enum Member<'a> {
    Null,
    Borrowed(&'a str),
    Owned(Zeroizing<String>),
    Number(f64),
    Object(Vec<(String, Member<'a>)>),
    Other,
}

impl Member<'_> {
    /// Returns the text, where it is one.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Borrowed(text) => Some(text),
            Self::Owned(text) => Some(text),
            Self::Null | Self::Number(_) | Self::Object(_) | Self::Other => None,
        }
    }
}

/// Takes the member at a JSON pointer (RFC 6901; objects only) out of an object's members.
pub(super) fn take<'a>(members: &mut Vec<(String, Member<'a>)>, pointer: &str) -> Option<Member<'a>> {
    let (step, rest) = match pointer.strip_prefix('/')?.split_once('/') {
        Some((step, rest)) => (step, Some(rest)),
        None => (pointer.strip_prefix('/')?, None),
    };
    let name = pointer::step(step);
    let at = members.iter().position(|(known, _)| *known == name)?;
    match rest {
        None => Some(members.swap_remove(at).1),
        Some(rest) => match &mut members.get_mut(at)?.1 {
            Member::Object(inner) => take(inner, &format!("/{rest}")),
            _ => None,
        },
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Vec<(String, Member<'de>)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                members(map)
            }
        }
        deserializer.deserialize_map(Object).map(Self)
    }
}

fn members<'de, A: MapAccess<'de>>(mut map: A) -> Result<Vec<(String, Member<'de>)>, A::Error> {
    let mut seen = BTreeSet::new();
    let mut members = Vec::new();
    while let Some((name, member)) = map.next_entry::<String, Member<'de>>()? {
        if !seen.insert(name.clone()) {
            return Err(A::Error::custom("a member occurs twice"));
        }
        members.push((name, member));
    }
    Ok(members)
}

impl<'de: 'a, 'a> Deserialize<'de> for Member<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MemberVisitor)
    }
}

struct MemberVisitor;

impl<'de> Visitor<'de> for MemberVisitor {
    type Value = Member<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Member::Null)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Member::Other)
    }

    #[expect(clippy::cast_precision_loss, reason = "only small numbers are used, and those are exact")]
    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Member::Number(number as f64))
    }

    #[expect(clippy::cast_precision_loss, reason = "only small numbers are used, and those are exact")]
    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Member::Number(number as f64))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Member::Number(number))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Member::Borrowed(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Member::Owned(Zeroizing::new(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Member::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        members(map).map(Member::Object)
    }
}
