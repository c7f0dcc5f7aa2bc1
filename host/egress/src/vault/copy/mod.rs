//! Copies that leave the home: exports of the vault, and what a backup of the home needs of it.
//!
//! A copy is encrypted as a whole with age, for recipients or by a passphrase, and its first line inside says what it
//! is. Code outside `vault` can read a backup's archive only: the records of an export and the key of a backup are
//! opened in here. age's own buffers (64 KiB) are not wiped. In reading order:
//!
//! - [`envelope`]: whom a copy is for, and what opens it.
//! - [`export`], [`import`]: registrations and grants as one document.
//! - [`backup`]: the vault inside a backup of the home.
//! - [`error`]: what can go wrong, and how to mend it.

mod backup;
mod envelope;
mod error;
mod export;
mod import;

pub use backup::{Restored, SealedKey};
pub use envelope::{Opened, Opening, Recipients, Sealing};
pub use error::CopyError;
pub use export::Exported;
pub use import::{Existing, Imported};
