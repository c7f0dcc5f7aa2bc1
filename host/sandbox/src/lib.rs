//! Runs policy plugins: WebAssembly components on wasmtime, without secrets, clock or network.
mod bindings;
