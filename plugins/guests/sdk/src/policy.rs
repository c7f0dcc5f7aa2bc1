//! What an author writes: a plugin, and what it judges.

use serde::de::DeserializeOwned;

use crate::{Answer, Description, Problem, Request, Response, ResponseAnswer};

/// A policy plugin that judges requests.
pub trait Policy: Sized + 'static {
    /// The settings, as an operator writes them. Derive `Deserialize` with `deny_unknown_fields`.
    type Settings: DeserializeOwned;

    /// Says what the plugin is and asks for: [`describe!`](crate::describe).
    fn describe() -> Description;

    /// Returns the JSON Schema of the settings. The host checks them against it first.
    fn schema() -> &'static str;

    /// Takes the settings, before any request.
    fn configure(settings: Self::Settings) -> Result<Self, Vec<Problem>>;

    /// Judges a request before it is sent.
    fn on_request(&self, request: &Request) -> Answer;
}

/// What every plugin is, whatever it judges. A [`Policy`] is one already; a plugin that judges answers only implements this
/// beside [`ResponsePolicy`].
pub trait Plugin: Sized + 'static {
    /// The settings, as an operator writes them. Derive `Deserialize` with `deny_unknown_fields`.
    type Settings: DeserializeOwned;

    /// Says what the plugin is and asks for: [`describe!`](crate::describe).
    fn describe() -> Description;

    /// Returns the JSON Schema of the settings. The host checks them against it first.
    fn schema() -> &'static str;

    /// Takes the settings, before any request or answer.
    fn configure(settings: Self::Settings) -> Result<Self, Vec<Problem>>;
}

impl<P: Policy> Plugin for P {
    type Settings = <P as Policy>::Settings;

    fn describe() -> Description {
        <P as Policy>::describe()
    }

    fn schema() -> &'static str {
        <P as Policy>::schema()
    }

    fn configure(settings: Self::Settings) -> Result<Self, Vec<Problem>> {
        <P as Policy>::configure(settings)
    }
}

/// A plugin that judges answers before the agent gets them.
///
/// The host holds the answers of a connection with such a plugin: one that flows, or is larger than 4 MiB, is refused.
pub trait ResponsePolicy: Plugin {
    /// Judges an answer. The request was sent and may have been executed: all that is left is to take something away,
    /// or to withhold the answer.
    fn on_response(&self, response: &Response) -> ResponseAnswer;
}

/// Describes the plugin by its package's name and version, and the capabilities that it asks for:
/// `describe!("shape")`.
#[macro_export]
macro_rules! describe {
    ($($capability:literal),* $(,)?) => {
        $crate::Description {
            name: env!("CARGO_PKG_NAME").into(),
            version: env!("CARGO_PKG_VERSION").into(),
            capabilities: vec![$($capability.into()),*],
            attributes: vec![],
        }
    };
}
