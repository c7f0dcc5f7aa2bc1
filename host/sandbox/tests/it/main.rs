//! The sandbox from outside: real components, golden cases, and guests that misbehave.

mod support;
mod golden;
mod loading;
mod hostile;
mod inert;
mod busy;
mod chain;
