//! From a plugin to a component.

/// Makes the crate's component out of a plugin, with the hooks that it has:
///
/// - `export!(Mine)` or `export!(Mine: request)`: a [`Policy`](crate::Policy);
/// - `export!(Mine: response)`: a [`ResponsePolicy`](crate::ResponsePolicy) that is no `Policy`;
/// - `export!(Mine: request, response)`: a type that is both.
///
/// What the type judges and this does not say is an error, not a hook that nobody calls:
///
/// ```compile_fail,E0080
/// # use wardlock_plugin::*;
/// # struct Both;
/// # impl Policy for Both {
/// #     type Settings = ();
/// #     fn describe() -> Description { describe!() }
/// #     fn schema() -> &'static str { "{}" }
/// #     fn configure((): ()) -> Result<Self, Vec<Problem>> { Ok(Self) }
/// #     fn on_request(&self, _request: &Request) -> Answer { allow() }
/// # }
/// # impl ResponsePolicy for Both {
/// #     fn on_response(&self, _response: &Response) -> ResponseAnswer { pass() }
/// # }
/// export!(Both);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! export {
    ($policy:ty) => {
        $crate::export!($policy: request);
    };
    ($policy:ty: request) => {
        #[doc(hidden)]
        mod __wardlock_export {
            use super::*;
            const _: () = {
                use $crate::glue::{Judges, JudgesNot as _};
                assert!(!Judges::<$policy>::ANSWERS, "it judges answers, too: `export!(…: request, response)`");
            };
            $crate::__export_hook!(settings $policy);
            $crate::__export_hook!(request $policy);
        }
    };
    ($policy:ty: response) => {
        #[doc(hidden)]
        mod __wardlock_export {
            use super::*;
            const _: () = {
                use $crate::glue::{Judges, JudgesNot as _};
                assert!(!Judges::<$policy>::REQUESTS, "it judges requests, too: `export!(…: request, response)`");
            };
            $crate::__export_hook!(settings $policy);
            $crate::__export_hook!(response $policy);
        }
    };
    ($policy:ty: request, response) => {
        #[doc(hidden)]
        mod __wardlock_export {
            use super::*;
            $crate::__export_hook!(settings $policy);
            $crate::__export_hook!(request $policy);
            $crate::__export_hook!(response $policy);
        }
    };
}

/// One exported interface of [`export!`](crate::export).
#[doc(hidden)]
#[macro_export]
macro_rules! __export_hook {
    (settings $policy:ty) => {
        thread_local! {
            static POLICY: std::cell::OnceCell<$policy> = const { std::cell::OnceCell::new() };
        }

        struct Component;

        impl $crate::bindings::settings::exports::wardlock::policy::settings::Guest for Component {
            fn describe() -> $crate::Description {
                <$policy as $crate::Plugin>::describe()
            }
            fn schema() -> String {
                <$policy as $crate::Plugin>::schema().to_owned()
            }
            fn configure(settings: String) -> Result<(), Vec<$crate::Problem>> {
                POLICY.with(|policy| $crate::glue::configure(policy, &settings))
            }
        }

        $crate::bindings::settings::export_settings!(Component with_types_in $crate::bindings::settings);
    };
    (request $policy:ty) => {
        impl $crate::bindings::request::exports::wardlock::policy::request_hook::Guest for Component {
            fn on_request(request: $crate::Request) -> $crate::Answer {
                POLICY.with(|policy| $crate::glue::on_request(policy, &request))
            }
        }

        $crate::bindings::request::export_request!(Component with_types_in $crate::bindings::request);
    };
    (response $policy:ty) => {
        impl $crate::bindings::response::exports::wardlock::policy::response_hook::Guest for Component {
            fn on_response(response: $crate::Response) -> $crate::ResponseAnswer {
                POLICY.with(|policy| $crate::glue::on_response(policy, &response))
            }
        }

        $crate::bindings::response::export_response!(Component with_types_in $crate::bindings::response);
    };
}

/// What [`export!`](crate::export) writes calls to.
#[doc(hidden)]
pub mod glue {
    use std::cell::OnceCell;
    use std::marker::PhantomData;

    use crate::{
        Answer, Plugin, Policy, Problem, Request, Response, ResponseAnswer, ResponsePolicy, deny, withhold,
    };

    /// Parses the settings and keeps the policy.
    pub fn configure<P: Plugin>(kept: &OnceCell<P>, settings: &str) -> Result<(), Vec<Problem>> {
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

    /// Asks the policy; without settings there is none, and no answer passes.
    pub fn on_response<P: ResponsePolicy>(kept: &OnceCell<P>, response: &Response) -> ResponseAnswer {
        let Some(policy) = kept.get() else {
            return withhold("not_configured", "the plugin got an answer before its settings");
        };
        policy.on_response(response)
    }

    /// Says what a type judges: a constant of its own, where the type has the trait, goes before that of [`JudgesNot`].
    pub struct Judges<P>(PhantomData<P>);

    impl<P: Policy> Judges<P> {
        /// It judges requests.
        pub const REQUESTS: bool = true;
    }

    impl<P: ResponsePolicy> Judges<P> {
        /// It judges answers.
        pub const ANSWERS: bool = true;
    }

    /// What holds where [`Judges`] has no constant.
    pub trait JudgesNot {
        /// It judges no requests.
        const REQUESTS: bool = false;
        /// It judges no answers.
        const ANSWERS: bool = false;
    }

    impl<P> JudgesNot for Judges<P> {}
}
