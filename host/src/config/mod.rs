//! What the operator writes: `wardlock.toml` and the workspace files, from text to typed values.
//!
//! Bytes become a [`Document`] (TOML without a secret in it), then a raw structure whose unknown keys are errors,
//! then a typed value in which every name is one that exists. Each error names file, line, column and key, shows
//! the line, and says what is meant instead.

mod approvers;
mod audit;
mod host;
mod key;
mod limits;
mod listen;
mod log;
mod plugins;
mod secrets;
mod telemetry;
mod text_error;
mod units;
mod wording;
mod workspace;

pub use approvers::ApproversConfig;
pub use host::HostConfig;
pub use key::{KeySource, credential};
pub use listen::CALLBACK;
pub use log::{LogConfig, LogFormat};
pub use text_error::{Document, TextError};
pub use units::{Bytes, Rate, Span, lifetime};
pub use wording::nearest;
pub use workspace::{ConnectionPlan, DEFAULT_MEMORY_BYTES, Keeping, PluginPlan, WorkspacePlan};
pub(crate) use workspace::{KnownAs, json_of, known_as};

use crate::home::HomeError;

/// Why a file that the operator wrote cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// It says something that cannot be.
    #[error(transparent)]
    Text(#[from] TextError),
}
