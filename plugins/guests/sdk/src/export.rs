//! From a [`Policy`] to a component.

use serde::de::DeserializeOwned;

use crate::{Answer, Description, Problem, Request};

/// A policy plugin.
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

/// Makes the crate's component out of a [`Policy`].
#[macro_export]
macro_rules! export {
    ($policy:ty) => {
        #[doc(hidden)]
        mod __wardlock_export {
            use super::*;
            use std::cell::OnceCell;

            thread_local! {
                static POLICY: OnceCell<$policy> = const { OnceCell::new() };
            }

            struct Component;

            impl $crate::bindings::exports::wardlock::policy::settings::Guest for Component {
                fn describe() -> $crate::Description {
                    <$policy as $crate::Policy>::describe()
                }
                fn schema() -> String {
                    <$policy as $crate::Policy>::schema().to_owned()
                }
                fn configure(settings: String) -> Result<(), Vec<$crate::Problem>> {
                    POLICY.with(|policy| $crate::glue::configure(policy, &settings))
                }
            }

            impl $crate::bindings::exports::wardlock::policy::request_hook::Guest for Component {
                fn on_request(request: $crate::Request) -> $crate::Answer {
                    POLICY.with(|policy| $crate::glue::on_request(policy, &request))
                }
            }

            $crate::bindings::export_bindings!(Component with_types_in $crate::bindings);
        }
    };
}

/// What [`export!`](crate::export) writes calls to.
#[doc(hidden)]
pub mod glue {
    use std::cell::OnceCell;

    use super::{Answer, Policy, Problem, Request};
    use crate::deny;

    /// Parses the settings and keeps the policy.
    pub fn configure<P: Policy>(kept: &OnceCell<P>, settings: &str) -> Result<(), Vec<Problem>> {
        let settings = serde_json::from_str(settings).map_err(|error| vec![Problem::at("", error.to_string())])?;
        kept.set(P::configure(settings)?).map_err(|_| vec![Problem::at("", "already configured")])
    }

    /// Asks the policy; without settings there is none, and no request passes.
    pub fn on_request<P: Policy>(kept: &OnceCell<P>, request: &Request) -> Answer {
        let Some(policy) = kept.get() else {
            return deny("not_configured", "the plugin got a request before its settings");
        };
        policy.on_request(request)
    }
}
