//! Extism: a plugin in WebAssembly that takes bytes and gives bytes.

use std::path::Path;

use anyhow::Context as _;
use extism::{CompiledPlugin, Manifest, Plugin, PluginBuilder, Wasm};

use crate::record::{Answer, Request};
use crate::{Row, Said};

/// The guest's function.
const FUNCTION: &str = "on_request";

/// Compiles the guest.
pub fn rows(guest: &Path, request: &Request) -> anyhow::Result<Vec<Row>> {
    let bytes = std::fs::read(guest).with_context(|| guest.display().to_string())?;
    let manifest = Manifest::new([Wasm::data(bytes)]);
    let compiled = CompiledPlugin::new(PluginBuilder::new(manifest))?;
    let mut stays = Plugin::new_from_compiled(&compiled)?;
    let (first, second) = (request.clone(), request.clone());
    Ok(vec![
        Row::new("extism, reused", "JSON in and out; one instance for all requests", move || {
            ask(&mut stays, &first)
        }),
        Row::new("extism, fresh", "an instance for each request, of what is compiled already", move || {
            ask(&mut Plugin::new_from_compiled(&compiled)?, &second)
        }),
    ])
}

fn ask(plugin: &mut Plugin, request: &Request) -> anyhow::Result<Said> {
    let said: &[u8] = plugin.call(FUNCTION, serde_json::to_vec(request)?)?;
    let answer: Answer = serde_json::from_slice(said)?;
    Ok(Said::Answer(answer))
}
