//! Who may say yes where operators have keys: a signature over exactly what is done, by somebody whose role allows it. An SSH key
//! signs on the command line, a passkey in the dashboard; [`authorise`] is the one place that takes either.
//!
//! A process under the operator's own user can talk to the admin socket and edit TOML; what it cannot do is sign. So releasing a
//! draft, enabling writes, and all that widens what agents may do or takes secrets out wants a signature, as soon as there is
//! an operator. What narrows is done at once, whoever asks.

pub mod passkey;
mod ssh;
mod whose;

use std::fmt::Write as _;

use wardlock_core::connection::WriteMode;
use wardlock_core::id::OperatorName;
use wardlock_egress::vault::{Operator, Role};

use crate::admin::{Command, Failure};
use passkey::Assertion;

pub use ssh::{checked_key, fingerprint};
pub use whose::HomeIdentity;

/// For what the signature is (PROTOCOL.sshsig of OpenSSH): one for another program is none here.
pub const NAMESPACE: &str = "wardlock";

/// Who signed a command, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The operator's name.
    pub operator: String,
    /// What makes the text one that was never signed before. Made by whoever carries the command out.
    pub nonce: String,
    /// The signature.
    pub signature: Signature,
}

/// How a command is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signature {
    /// By an SSH key, as `ssh-keygen -Y sign` prints it.
    Ssh(String),
    /// By a passkey.
    Passkey(Assertion),
}

/// Whose word a command has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The operator.
    pub operator: OperatorName,
    /// What they may.
    pub role: Role,
    /// The passkey that signed, and its own count of that.
    pub passkey: Option<(String, u32)>,
}

/// The text that is signed: a person can read it, and it is nothing but the command and the home that it is for, with what stands for
/// the passphrase that goes with it ([`Brought::bound_to`](crate::admin::Brought::bound_to)).
pub fn text_of(home: &HomeIdentity, command: &Command, nonce: &str, passphrase: Option<&str>) -> String {
    let command = serde_json::to_string_pretty(command).unwrap_or_default();
    let passphrase =
        passphrase.map(|stretched| format!("passphrase, by argon2id: {stretched}\n")).unwrap_or_default();
    let home = home.lines();
    format!("Wardlock: do exactly this, once.\n{home}nonce: {nonce}\n{passphrase}{command}\n")
}

/// What a new passkey's authenticator is asked: a number that is used once, for this home.
pub fn enrolment_of(home: &HomeIdentity, nonce: &str) -> [u8; 32] {
    passkey::challenge_of(&format!("Wardlock: become a passkey, once.\n{}nonce: {nonce}\n", home.lines()))
}

/// Returns the role that a command needs; `None`: whoever reaches this home may give it.
pub fn needs(command: &Command) -> Option<Role> {
    match command {
        Command::DraftsApprove { .. } => Some(Role::Approver),
        Command::Writes { level, confirmed: true, .. } if level != WriteMode::Off.as_str() => Some(Role::Admin),
        Command::PolicyAccept { basis: Some(_) }
        | Command::Connect { .. }
        | Command::RegistrationAdd { .. }
        | Command::RegistrationSetSecret { .. }
        | Command::AgentAdd { .. }
        | Command::AgentRotate { .. }
        | Command::Thaw { .. }
        | Command::OperatorAdd { .. }
        | Command::OperatorPasskey { .. }
        | Command::OperatorRevoke { .. }
        // It gives what guesses of secrets can be tried with.
        | Command::LookBegin
        // It shows what other agents asked.
        | Command::PluginCase { .. }
        | Command::PolicyExplainRequest { .. }
        | Command::VaultExport { .. }
        | Command::BackupCreate { .. } => Some(Role::Admin),
        _ => None,
    }
}

/// Returns whether a command takes a signature: it is not done without one, does more with one, or names in the audit who signed.
pub fn takes_signature(command: &Command) -> bool {
    needs(command).is_some() || tells_more(command) || narrows(command)
}

/// Returns whether a command tells more to an operator who signs it: an explanation what stands at the provider now, a component that is
/// added what it says of what other agents asked.
fn tells_more(command: &Command) -> bool {
    matches!(
        command,
        Command::PolicyExplain { .. } | Command::PolicyExplainDraft { .. } | Command::PluginAdd { .. }
    )
}

/// Returns whether a command takes away what agents may do: nobody must sign it, and who does stands in the record.
fn narrows(command: &Command) -> bool {
    match command {
        Command::Writes { level, .. } => level == WriteMode::Off.as_str(),
        Command::DraftsReject { .. }
        | Command::DraftsRejectOf { .. }
        | Command::Freeze { .. }
        | Command::AgentRevoke { .. }
        | Command::Disconnect { .. } => true,
        _ => false,
    }
}

/// Why a command is not done.
#[derive(Debug)]
pub struct Unauthorised {
    /// What is wrong, as the audit has it.
    pub why: Wrong,
    /// The operator whose word it was said to have, where there is such a one.
    pub claimed: Option<OperatorName>,
    /// What whoever asked is told.
    pub failure: Failure,
}

impl Unauthorised {
    /// A command that nobody signed.
    pub fn unsigned(failure: Failure) -> Self {
        Self { why: Wrong::Unsigned, claimed: None, failure }
    }
}

/// What is wrong with a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wrong {
    /// There is none.
    Unsigned,
    /// Nobody of that name is an operator.
    NoOperator,
    /// The operator's role does not allow it.
    Role,
    /// It is not that operator's over this.
    Signature,
}

impl Wrong {
    /// Returns the words in the audit.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unsigned => "unsigned",
            Self::NoOperator => "signed by no operator",
            Self::Role => "beyond the operator's role",
            Self::Signature => "a wrong signature",
        }
    }
}

/// Returns whose word a command has in a home; `None`: nobody has a key here, or nobody's is needed. `passphrase` stands for what came
/// with it.
pub fn authorise(
    home: &HomeIdentity,
    operators: &[Operator],
    command: &Command,
    signed: Option<Signed>,
    passphrase: Option<&str>,
) -> Result<Option<Word>, Unauthorised> {
    let needed = needs(command).filter(|_| !operators.is_empty());
    let Some(Signed { operator, nonce, signature }) = signed else {
        return match needed {
            None => Ok(None),
            Some(role) => Err(unsigned(operators, role, own_of(command))),
        };
    };
    let found = operators.iter().find(|known| known.name.as_str() == operator);
    let refused = |why: Wrong, problem: String| {
        let failure = Failure::no(problem).hint("`wardlock operator list` shows who may, and by which key");
        Err(Unauthorised { why, claimed: found.map(|known| known.name.clone()), failure })
    };
    let Some(found) = found else {
        return refused(Wrong::NoOperator, format!("there is no operator `{operator}`"));
    };
    // A further key of one's own widens nobody's role.
    let own = own_of(command) == Some(operator.as_str());
    if let Some(needed) = needed.filter(|needed| found.role < *needed && !own) {
        let (role, needed) = (found.role.as_str(), needed.as_str());
        let problem = format!("operator `{operator}` is {role}, and this wants an {needed}");
        return refused(Wrong::Role, problem);
    }
    let text = text_of(home, command, &nonce, passphrase);
    let passkey = match signature {
        Signature::Ssh(signature) if ssh::signs(&found.public_key, &signature, &text) => None,
        Signature::Ssh(_) => {
            let problem = format!("this is no signature of operator `{operator}` over this");
            return refused(Wrong::Signature, problem);
        }
        Signature::Passkey(assertion) => match passkey::verify(&found.passkeys, &text, &assertion) {
            Ok(counter) => Some((assertion.id, counter)),
            Err(problem) => {
                let problem =
                    format!("this is no passkey's signature of operator `{operator}` over this: {problem}");
                return refused(Wrong::Signature, problem);
            }
        },
    };
    Ok(Some(Word { operator: found.name.clone(), role: found.role, passkey }))
}

/// Returns the operator who may give a command for themselves, whatever their role.
fn own_of(command: &Command) -> Option<&str> {
    match command {
        Command::OperatorPasskey { name, .. } => Some(name),
        _ => None,
    }
}

fn unsigned(operators: &[Operator], role: Role, own: Option<&str>) -> Unauthorised {
    let mut who = String::new();
    let may = |known: &&Operator| known.role >= role || own == Some(known.name.as_str());
    for known in operators.iter().filter(may) {
        let _ = write!(who, "{}{}", if who.is_empty() { "" } else { ", " }, known.name);
    }
    let failure = Failure::no("this wants an operator's signature, because operators have keys here")
        .hint(format!("add `--as NAME --sign-with KEY`; those who may: {who}"));
    Unauthorised::unsigned(failure)
}
