//! The host's side of `wit/`, generated: one internal world with every hook.
//!
//! The world is ours alone. Which hooks a plugin has is found on its component, one `GuestIndices` per interface
//! (`instance.rs`): a plugin exports what it needs, and a world that demanded all of them would refuse it.

wasmtime::component::bindgen!({
    path: "../../wit",
    inline: "
        package wardlock:host@0.1.0;

        world every-hook {
            import wardlock:policy/log@0.1.0;
            import wardlock:policy/quota@0.1.0;
            import wardlock:policy/folder@0.1.0;
            export wardlock:policy/settings@0.1.0;
            export wardlock:policy/request-hook@0.1.0;
            export wardlock:policy/response-hook@0.1.0;
        }
    ",
    world: "wardlock:host/every-hook",
    imports: {
        "wardlock:policy/quota.take": async | trappable,
        "wardlock:policy/folder.names": trappable,
        "wardlock:policy/folder.read": trappable,
    },
    exports: { default: async },
    ownership: Borrowing { duplicate_if_necessary: true },
});
