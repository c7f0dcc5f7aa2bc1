//! What `wit-bindgen` makes of `wit/`; [`export!`](crate::export) needs it by name.
//!
//! The host goes by the interfaces that a component exports, and what a world generates exports all of that world. So each
//! exported interface is a world of its own here, and `export!` takes those that the plugin has. They are written here and
//! not in `wit/`, because that is the contract, and no author builds against one of these. Whoever links the component
//! unites their descriptions, and drops the imports that nothing calls.

/// What a plugin may import, and the records of both sides.
pub mod imports {
    wit_bindgen::generate!({
        inline: "
            package wardlock:sdk;
            world plugin-imports {
                import wardlock:policy/types@0.1.0;
                import wardlock:policy/log@0.1.0;
                import wardlock:policy/quota@0.1.0;
                import wardlock:policy/folder@0.1.0;
            }
        ",
        path: "../../../wit",
        generate_all,
        generate_unused_types: true,
        pub_export_macro: true, // else it would stand in every component, used or not
    });
}

/// What every plugin exports.
pub mod settings {
    wit_bindgen::generate!({
        inline: "
            package wardlock:sdk;
            world plugin-settings { export wardlock:policy/settings@0.1.0; }
        ",
        path: "../../../wit",
        with: { "wardlock:policy/types@0.1.0": crate::bindings::imports::wardlock::policy::types },
        pub_export_macro: true,
        export_macro_name: "export_settings",
        default_bindings_module: "wardlock_plugin::bindings::settings",
    });
}

/// What a plugin that judges requests exports.
pub mod request {
    wit_bindgen::generate!({
        inline: "
            package wardlock:sdk;
            world plugin-request { export wardlock:policy/request-hook@0.1.0; }
        ",
        path: "../../../wit",
        with: { "wardlock:policy/types@0.1.0": crate::bindings::imports::wardlock::policy::types },
        pub_export_macro: true,
        export_macro_name: "export_request",
        default_bindings_module: "wardlock_plugin::bindings::request",
    });
}

/// What a plugin that judges answers exports.
pub mod response {
    wit_bindgen::generate!({
        inline: "
            package wardlock:sdk;
            world plugin-response { export wardlock:policy/response-hook@0.1.0; }
        ",
        path: "../../../wit",
        with: { "wardlock:policy/types@0.1.0": crate::bindings::imports::wardlock::policy::types },
        pub_export_macro: true,
        export_macro_name: "export_response",
        default_bindings_module: "wardlock_plugin::bindings::response",
    });
}
