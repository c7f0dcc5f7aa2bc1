//! What a component may import and must export, read off its type before anything of it runs.

use serde::{Deserialize, Serialize};
use wardlock_core::connection::Hooks;
use wasmtime::Engine;
use wasmtime::component::types::{ComponentFunc, ComponentInstance, ComponentItem, Type};
use wasmtime::component::{Component, Linker, LinkerInstance, ResourceType, Val};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, DynPollable, IoError};

use crate::error::LoadError;
use crate::instance::Guest;
use crate::text::escaped;

/// The contract's package.
const PACKAGE: &str = "wardlock:policy";
/// The versions of it that this host speaks: all of 0.1.
const SPOKEN: &str = "0.1";

/// The WASI interfaces that are linked, inert.
const WASI: [&str; 20] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/stderr",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:cli/terminal-stderr",
    "wasi:clocks/wall-clock",
    "wasi:clocks/monotonic-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/random",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
];

/// The interfaces of the contract that a plugin may import.
const CONTRACT: [&str; 4] =
    ["wardlock:policy/types", "wardlock:policy/log", "wardlock:policy/quota", "wardlock:policy/folder"];

/// Python's toolchain imports all of these, whether the plugin uses them or not. They answer `access-denied`.
const SOCKETS: &str = "wasi:sockets/";

/// What is added to a component before it is written down as it stands: no export of its own.
const LOOKED_INTO: &str = "wasmtime:wizer/access";

/// The names that a component imports and exports, with versions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Names {
    pub(crate) imports: Vec<String>,
    pub(crate) exports: Vec<String>,
}

/// Lists a component's imports and exports, fit to be shown.
pub(crate) fn names(engine: &Engine, component: &Component) -> Names {
    let ty = component.component_type();
    let shown = |name: &str| escaped(name, 200);
    Names {
        imports: ty.imports(engine).map(|(name, _)| shown(name)).collect(),
        exports: ty.exports(engine).map(|(name, _)| name).filter(|name| *name != LOOKED_INTO).map(shown).collect(),
    }
}

/// Returns the version of the contract that a component is built for, as it stands in its exports.
pub(crate) fn package_version(names: &Names) -> Option<&str> {
    let of_contract = |name: &&String| split(name).0.starts_with("wardlock:policy/");
    names.exports.iter().chain(&names.imports).find(of_contract).map(|name| split(name).1)
}

/// Refuses a component of another version or with an import outside the list; returns its names.
pub(crate) fn check(engine: &Engine, component: &Component) -> Result<Names, LoadError> {
    let names = names(engine, component);
    for name in names.exports.iter().chain(&names.imports) {
        let (interface, version) = split(name);
        if interface.starts_with("wardlock:policy/") && !speaks(version, SPOKEN) {
            return Err(LoadError::Version { targets: format!("{PACKAGE}@{version}"), speaks: SPOKEN.into() });
        }
    }
    for (name, import) in component.component_type().imports(engine) {
        if !(allowed(name) && matches!(import.ty, ComponentItem::ComponentInstance(_))) {
            return Err(LoadError::Import { name: escaped(name, 200) });
        }
    }
    if !names.exports.iter().any(|name| split(name).0 == "wardlock:policy/settings") {
        return Err(LoadError::NotAPlugin { exports: names.exports });
    }
    hooks(&names)?;
    Ok(names)
}

/// Returns which hooks a component has.
pub(crate) fn hooks(names: &Names) -> Result<Hooks, LoadError> {
    let has = |hook: &str| names.exports.iter().any(|name| split(name).0 == hook);
    match (has("wardlock:policy/request-hook"), has("wardlock:policy/response-hook")) {
        (true, true) => Ok(Hooks::Both),
        (true, false) => Ok(Hooks::Request),
        (false, true) => Ok(Hooks::Response),
        (false, false) => Err(LoadError::NoHook),
    }
}

/// Links the socket interfaces that a component imports, so that every one of them says no.
pub(crate) fn deny_sockets(
    engine: &Engine,
    component: &Component,
    linker: &mut Linker<Guest>,
) -> wasmtime::Result<()> {
    for (name, import) in component.component_type().imports(engine) {
        if let (true, ComponentItem::ComponentInstance(ty)) = (name.starts_with(SOCKETS), import.ty) {
            deny_instance(engine, &ty, &mut linker.instance(name)?)?;
        }
    }
    Ok(())
}

fn deny_instance(
    engine: &Engine,
    ty: &ComponentInstance,
    instance: &mut LinkerInstance<'_, Guest>,
) -> wasmtime::Result<()> {
    struct NoSocket;
    for (name, item) in ty.exports(engine) {
        match item.ty {
            ComponentItem::Resource(_) => {
                // The stream types are those of `wasi:io`, by `use`; the rest is the sockets' own and never made.
                let ty = match name {
                    "pollable" => ResourceType::host::<DynPollable>(),
                    "input-stream" => ResourceType::host::<DynInputStream>(),
                    "output-stream" => ResourceType::host::<DynOutputStream>(),
                    "error" => ResourceType::host::<IoError>(),
                    _ => ResourceType::host::<NoSocket>(),
                };
                instance.resource(name, ty, |_, _| Ok(()))?;
            }
            ComponentItem::ComponentFunc(function) => {
                let can_say_no = says_access_denied(&function);
                instance.func_new(name, move |_, _, _, results| {
                    let (true, [result]) = (can_say_no, results) else {
                        return Err(crate::wasi::Forbidden("wasi:sockets").into());
                    };
                    *result = Val::Result(Err(Some(Box::new(Val::Enum("access-denied".to_owned())))));
                    Ok(())
                })?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn says_access_denied(function: &ComponentFunc) -> bool {
    match function.results().next() {
        Some(Type::Result(result)) => match result.err() {
            Some(Type::Enum(codes)) => codes.names().any(|name| name == "access-denied"),
            _ => false,
        },
        _ => false,
    }
}

fn allowed(name: &str) -> bool {
    let (interface, version) = split(name);
    let inert = WASI.contains(&interface) || interface.starts_with(SOCKETS);
    (inert && speaks(version, "0.2")) || (CONTRACT.contains(&interface) && speaks(version, SPOKEN))
}

fn split(name: &str) -> (&str, &str) {
    name.split_once('@').unwrap_or((name, "none"))
}

/// Returns whether a version is of the given major and minor one, without pre-release.
fn speaks(version: &str, spoken: &str) -> bool {
    let patch = version.strip_prefix(spoken).and_then(|rest| rest.strip_prefix('.'));
    patch.is_some_and(|patch| !patch.is_empty() && patch.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_interfaces_pass() {
        for (name, expected) in [
            ("wasi:cli/stdout@0.2.0", true),
            ("wasi:cli/stdout@0.2.12", true),
            ("wasi:cli/stdout@0.3.0", false),
            ("wasi:cli/stdout@0.2.0-rc-2023", false),
            ("wasi:cli/stdout", false),
            ("wasi:sockets/tcp@0.2.9", true),
            ("wasi:http/outgoing-handler@0.2.0", false),
            ("wardlock:policy/log@0.1.7", true),
            ("wardlock:policy/log@0.10.0", false),
            ("wardlock:policy/quota@0.1.0", true),
            ("wardlock:policy/response-hook@0.1.0", false),
            ("wardlock:policy/folder@0.1.3", true),
            ("wardlock:policy/folders@0.1.0", false),
            ("wardlock:vault/secrets@0.1.0", false),
        ] {
            assert_eq!(allowed(name), expected, "{name}");
        }
    }
}
