//! `wardlock operator passkey`: a link whose secret is made here, and which is put together here.
//!
//! The daemon gets the secret's digest, and the address to which the link leads, in what the operator signs. So whoever carries the
//! command learns no link, and cannot have it lead elsewhere: the daemon takes no other address than its own.

use serde_json::{Value, json};
use wardlock_core::id::Digest;

use super::args::Cli;
use super::remote::Reach;
use super::talk::Person;
use crate::admin::{Brought, Command, Failure};
use crate::dashboard::LINK_MS;
use crate::ids::random;
use crate::{host, ops};

/// Makes a link for an operator's browser.
pub(super) async fn make(cli: &Cli, name: &str) -> Result<Value, Failure> {
    let (reach, person) = (Reach::open(cli).await?, Person::new().signing(cli));
    let status = reach.ask(Command::Status, Brought::Nothing, &person).await?;
    let origin = status["dashboard"].as_str().ok_or_else(ops::dashboard_is_off)?.to_owned();
    let secret = random().map_err(|error| Failure::no(format!("the system gives no randomness: {error}")))?;
    let secret_sha256 = Digest::of(secret.as_bytes()).to_string();
    let command = Command::OperatorPasskey { name: name.to_owned(), origin: origin.clone(), secret_sha256 };
    reach.ask(command, Brought::Nothing, &person).await?;
    let expires_ms = host::clock()().saturating_add(LINK_MS);
    Ok(json!({
        "link": format!("{origin}/passkey/{secret}"),
        "expires": crate::text::time(expires_ms),
        "operator": name,
    }))
}
