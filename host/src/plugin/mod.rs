//! For plugins' authors: the contract, projects in several languages, golden cases run through the sandbox, components in
//! words. Nothing here needs a home, and nothing here meets a secret.

pub mod bench;
pub mod cases;
pub mod curl;
pub mod folder;
pub mod observed;
pub mod project;
mod shell;
pub mod wit;
pub mod words;
