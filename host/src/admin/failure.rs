//! How a command fails, on the wire and to a person: what happened, how to mend it, and which exit code it is.

use serde::{Deserialize, Serialize};
use wardlock_audit::AuditError;
use wardlock_egress::vault::VaultError;
use wardlock_state::StateError;

/// Why a command failed: a sentence, and what to do.
#[derive(Debug, Clone, Serialize, Deserialize, thiserror::Error)]
#[serde(deny_unknown_fields)]
#[error("{message}")]
pub struct Failure {
    /// What happened, lower case, no full stop.
    pub message: String,
    /// How to mend it.
    pub hint: Option<String>,
    /// Exit code: 1 no, 2 usage, 3 the home or its key, 4 another wardlock holds the home.
    pub exit: u8,
}

impl Failure {
    /// A plain no.
    pub fn no(message: impl std::fmt::Display) -> Self {
        Self { message: message.to_string(), hint: None, exit: 1 }
    }

    /// A wrong use of the command.
    pub fn usage(message: impl std::fmt::Display) -> Self {
        Self { message: message.to_string(), hint: None, exit: 2 }
    }

    /// Returns whether it is a wrong use, which whoever asked can mend.
    pub fn is_usage(&self) -> bool {
        self.exit == 2
    }

    /// Something about the home or its key.
    pub fn home(message: impl std::fmt::Display) -> Self {
        Self { message: message.to_string(), hint: None, exit: 3 }
    }

    /// A file that was named on the command line and cannot be read.
    pub fn of_named_file(error: crate::home::HomeError) -> Self {
        let hint = error.hint().unwrap_or_else(|| "name a file that this user may read".to_owned());
        Self { exit: 2, ..Self::from(error) }.hint(hint)
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Each with what of it is a plain no: a name that is taken, or not there. The rest is about the home.
macro_rules! failures_of {
    ($($error:ty, $is_no:expr;)+) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                let is_no: fn(&$error) -> bool = $is_no;
                let hint = error.hint().map(Into::into);
                Self { message: crate::text::with_causes(&error), hint, exit: if is_no(&error) { 1 } else { 3 } }
            }
        })+
    };
}

failures_of! {
    AuditError, |_| false;
    VaultError, |error| matches!(
        error,
        VaultError::NoRegistration(_)
            | VaultError::NoOperator(_)
            | VaultError::OperatorExists(_)
            | VaultError::LastAdmin(_)
            | VaultError::PasskeyExists
            | VaultError::TooManyPasskeys { .. }
            | VaultError::RegistrationExists(_)
            | VaultError::RegistrationInUse { .. }
            | VaultError::NoGrant(_)
            | VaultError::OtherGeneration { .. }
    );
    StateError, |error| matches!(
        error,
        StateError::AgentExists { .. } | StateError::NoAgent { .. } | StateError::Unconfirmed { .. }
    );
}

impl From<crate::home::HomeError> for Failure {
    fn from(error: crate::home::HomeError) -> Self {
        let exit = if matches!(error, crate::home::HomeError::Locked { .. }) { 4 } else { 3 };
        Self { message: crate::text::with_causes(&error), hint: error.hint(), exit }
    }
}

impl From<wardlock_egress::vault::CopyError> for Failure {
    fn from(error: wardlock_egress::vault::CopyError) -> Self {
        use wardlock_egress::vault::CopyError as E;

        let exit = match &error {
            E::Vault(_) => 3,
            E::BadRecipient { .. }
            | E::IdentityForRecipient
            | E::ShortPassphrase
            | E::BadIdentity { .. }
            | E::Prompt(_)
            | E::Foreign
            | E::OtherContent { .. }
            | E::IdentityWanted
            | E::PassphraseWanted => 2,
            _ => 1,
        };
        Self { message: crate::text::with_causes(&error), hint: error.hint(), exit }
    }
}

impl From<wardlock_sandbox::LoadError> for Failure {
    fn from(error: wardlock_sandbox::LoadError) -> Self {
        Self::no(&error).hint(error.hint())
    }
}

impl From<crate::config::ConfigError> for Failure {
    fn from(error: crate::config::ConfigError) -> Self {
        match error {
            crate::config::ConfigError::Home(error) => error.into(),
            crate::config::ConfigError::Text(error) => Self::usage(error),
        }
    }
}

impl From<crate::policy::CheckError> for Failure {
    fn from(error: crate::policy::CheckError) -> Self {
        let hint = error.hint();
        Self { message: crate::text::with_causes(&error), hint, exit: 2 }
    }
}
