//! What forms do. Each gives the command that the command line gives, in the visitor's session and nobody else's.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use wardlock_egress::vault::Operator;

use super::NAME;
use super::ask::{ask, ask_signed};
use super::enter::bytes;
use super::pages::{self, told};
use super::visit::{Answer, Visit};
use super::visitors::Visitor;
use crate::admin::{Command, Failure};
use crate::gate::Gate;
use crate::host::Host;
use crate::ids::random;
use crate::operators::passkey::{Assertion, challenge_of};
use crate::operators::{HomeIdentity, Signature, Signed, Unauthorised, Wrong, text_of};
use crate::ops;

/// Does what a form says.
pub(super) async fn act(
    gate: &Arc<Gate>,
    host: Arc<Host>,
    visitor: &Visitor,
    visit: &Visit,
    segments: &[&str],
) -> Answer {
    match segments {
        ["drafts", id, "approve"] => decide(gate, host, visitor, visit, id, Decision::Approve).await,
        ["drafts", id, "question"] => question(&host, visitor, visit, id).await,
        ["drafts", id, "reject"] => decide(gate, host, visitor, visit, id, Decision::Reject).await,
        ["freeze"] => match ask(gate, Command::Freeze { workspace: None }).await {
            Ok(_) => Answer::leads_to("/"),
            Err(failure) => pages::failed(&failure),
        },
        ["audit", "verify"] => {
            let command = Command::AuditVerify { heads: String::new(), public_key: None };
            match ask(gate, command).await {
                Ok(found) => pages::verified(gate, visitor, &found).await,
                Err(failure) => pages::failed(&failure),
            }
        }
        ["logout"] => {
            host.visitors().leave(visitor);
            ops::told(&host, "dashboard.logout", "ok").await;
            Answer::leads_to("/").with_session(visit, "", 0)
        }
        _ => told(404, "Nothing here", &["There is no such form."]),
    }
}

/// What a form says of a draft.
#[derive(Debug, Clone, Copy)]
enum Decision {
    Approve,
    Reject,
}

/// Follows a form about a draft, to its end: a browser whose button is pressed twice gives up the first answer and shows the second. The
/// second waits for the first, and is led to what came of it.
async fn decide(
    gate: &Arc<Gate>,
    host: Arc<Host>,
    visitor: &Visitor,
    visit: &Visit,
    id: &str,
    decision: Decision,
) -> Answer {
    let (gate, visitor, visit, id) = (Arc::clone(gate), visitor.clone(), visit.clone(), id.to_owned());
    let followed = tokio::spawn(async move {
        let turn = host.visitors().turn(&visitor, &id);
        let _turn = turn.lock().await;
        decided(&gate, &host, &visitor, &visit, &id, decision).await
    });
    followed.await.unwrap_or_else(|error| pages::failed(&Failure::no(format!("the work failed: {error}"))))
}

async fn decided(
    gate: &Arc<Gate>,
    host: &Arc<Host>,
    visitor: &Visitor,
    visit: &Visit,
    id: &str,
    decision: Decision,
) -> Answer {
    let (visitors, form) = (host.visitors(), visit.form());
    // A page that answers a form would send it again when it is reloaded, so the draft's own page tells what came of it.
    let its_page = || Answer::leads_to(&format!("/drafts/{id}"));
    let is_repeated = || visitors.followed(visitor, &form, host.now_ms());
    // A signature is taken once. Whoever sends the same again does not try to pass, and is not recorded as if.
    if visit.field("nonce").is_some() && is_repeated() {
        return its_page();
    }
    let done = match decision {
        Decision::Approve => approved(gate, host, visitor, visit, command(visit, id)).await,
        Decision::Reject => ask(gate, Command::DraftsReject { id: id.to_owned() }).await,
    };
    match done {
        Ok(ended) => {
            visitors.keep(visitor, id, ended, &form, host.now_ms());
            its_page()
        }
        Err(_) if is_repeated() => its_page(),
        Err(failure) => pages::failed_of(&failure, id),
    }
}

/// Approves what was shown: by a passkey where operators have keys, else by its connection's name, typed.
async fn approved(
    gate: &Arc<Gate>,
    host: &Arc<Host>,
    visitor: &Visitor,
    visit: &Visit,
    command: Command,
) -> Result<Value, Failure> {
    let operators = ops::operators_of(host).await?;
    if !operators.is_empty() {
        let signed = match signed(visit, &operators) {
            Ok(signed) => signed,
            Err(refused) => return Err(ops::refused_attempt(host, NAME, &command, refused).await),
        };
        return ask_signed(host, visitor, command, signed).await;
    }
    let Command::DraftsApprove { id, .. } = &command else { return Err(Failure::no("this approves no draft")) };
    let connection = ops::connection_of_draft(host, id).await?;
    if visit.filled("confirm").as_deref() != Some(connection.as_str()) {
        return Err(Failure::no("not confirmed, so nothing was sent")
            .hint(format!("type the connection as it stands there: {connection}")));
    }
    ask(gate, command).await
}

/// What an approval is: the draft, and the request that was shown.
fn command(visit: &Visit, id: &str) -> Command {
    let request_sha256 = visit.field("request_sha256").unwrap_or_default().to_owned();
    Command::DraftsApprove { id: id.to_owned(), request_sha256, shown: None }
}

/// Reads what a passkey said. Whose it is, its id says; whether that holds, `authorise` does.
fn signed(visit: &Visit, operators: &[Operator]) -> Result<Signed, Unauthorised> {
    let absent = || {
        Unauthorised::unsigned(Failure::no("this wants an operator's passkey, because operators have keys here").hint(
            "approve with a passkey; on the command line: `wardlock --as NAME --sign-with KEY drafts approve DRAFT`",
        ))
    };
    let id = visit.filled("credential").ok_or_else(absent)?;
    let nonce = visit.filled("nonce").ok_or_else(absent)?;
    let [client_data, authenticator_data, signature] =
        ["client", "authenticator", "signature"].map(|name| bytes(visit, name));
    let holder = operators.iter().find(|known| known.passkeys.iter().any(|passkey| passkey.id == id));
    let Some(operator) = holder.map(|known| known.name.to_string()) else {
        let failure = Failure::no("this passkey is no operator's")
            .hint("`wardlock operator passkey NAME` makes a link by which it becomes one's");
        return Err(Unauthorised { why: Wrong::NoOperator, claimed: None, failure });
    };
    let assertion = Assertion {
        id,
        client_data: client_data.ok_or_else(absent)?,
        authenticator_data: authenticator_data.ok_or_else(absent)?,
        signature: signature.ok_or_else(absent)?,
        origin: visit.origin.clone(),
    };
    Ok(Signed { operator, nonce, signature: Signature::Passkey(assertion) })
}

/// Says what a passkey is to sign for an approval: a challenge that is that command's, and is answered once.
async fn question(host: &Arc<Host>, visitor: &Visitor, visit: &Visit, id: &str) -> Answer {
    let operators = match ops::operators_of(host).await {
        Ok(operators) => operators,
        Err(failure) => return pages::failed(&failure),
    };
    let nonce = match random() {
        Ok(nonce) => nonce,
        Err(error) => return pages::failed(&Failure::no(error)),
    };
    let home = HomeIdentity::of(host.home(), host.vault());
    let text = text_of(&home, &command(visit, id), &nonce, None);
    host.visitors().ask(visitor, &text, host.now_ms());
    let passkeys = operators.iter().flat_map(|operator| &operator.passkeys);
    Answer::data(&json!({
        "nonce": nonce,
        "challenge": URL_SAFE_NO_PAD.encode(challenge_of(&text)),
        "passkeys": passkeys.map(|passkey| passkey.id.as_str()).collect::<Vec<_>>(),
    }))
}
