//! Between core's plain records and the contract's types: the one place where a frozen version of `wit/` meets the
//! newest records.
//!
//! Requests go out borrowed, without copying a body. Answers come in through core's caps: a guest can say
//! only so much, and only in characters that may be repeated.

mod answer;
mod request;
mod response;

pub(crate) use answer::answer;
pub(crate) use request::{BodyView, Shown};
pub(crate) use response::{ShownResponse, response_answer};
