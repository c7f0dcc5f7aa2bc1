//! Tells the provider that a grant is given up: every form that the service lists, in order, until one holds.

use std::collections::HashMap;

use wardlock_core::id::Region;
use wardlock_core::service::{RevokeForm, ServiceDefinition};

use crate::dialer::Dialer;
use crate::oauth::endpoint::{self, EndpointError};
use crate::route;
use crate::vault::Secret;
use crate::vault::wire::{SecretForm, basic_auth, with_secret_query};

/// How a revocation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revoked {
    /// The provider says that it is done.
    Done,
    /// The provider did not know the token any more.
    AlreadyGone,
    /// No form worked: the token may still live at the provider.
    Failed,
}

impl Revoked {
    /// Returns the word used in the audit.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "revoked",
            Self::AlreadyGone => "already_gone",
            Self::Failed => "revocation_failed",
        }
    }
}

/// Whose token it is.
pub(crate) struct Revocation<'a> {
    pub dialer: &'a Dialer,
    pub service: &'a ServiceDefinition,
    pub region: &'a Region,
    pub client_id: &'a str,
    pub client_secret: &'a Secret,
    pub token: &'a Secret,
}

impl Revocation<'_> {
    /// Tries the forms. A form's `gone` counts only if no other form does it.
    pub async fn run(self) -> Revoked {
        let mut best = Revoked::Failed;
        for form in &self.service.oauth.revoke {
            match self.attempt(form).await {
                Ok(Revoked::Done) => return Revoked::Done,
                Ok(Revoked::AlreadyGone) => best = Revoked::AlreadyGone,
                Ok(Revoked::Failed) | Err(_) => {}
            }
        }
        best
    }

    async fn attempt(&self, form: &RevokeForm) -> Result<Revoked, EndpointError> {
        let row = route::row(self.service, self.region).map_err(|_| EndpointError::HostNotAllowed)?;
        let mut url = endpoint::url(row.token_host(), &form.path)?;
        let mut fields = SecretForm::new();
        if let Some((name, value)) = &form.hint {
            fields = fields.plain(name, value);
        }
        if form.token_in_query {
            url = with_secret_query(url, "token", self.token);
        } else {
            fields = fields.secret("token", self.token);
        }
        let basic = if form.client_auth {
            Some(basic_auth(self.client_id, self.client_secret).map_err(|_| EndpointError::Client)?)
        } else {
            None
        };
        let answer = endpoint::post(self.dialer, self.service, url, fields, basic).await?;
        if Some(answer.status) == form.gone_status {
            return Ok(Revoked::AlreadyGone);
        }
        let failed = answer.status != 200 || says_failure(&answer.body);
        Ok(if failed { Revoked::Failed } else { Revoked::Done })
    }
}

/// Returns whether a body with status 200 still says no. An empty body is a yes (RFC 7009 section 2.2).
fn says_failure(body: &[u8]) -> bool {
    let Ok(members) = serde_json::from_slice::<HashMap<String, serde_json::Value>>(body) else {
        return false;
    };
    let status = members.get("status").and_then(serde_json::Value::as_str);
    members.contains_key("error") || status.is_some_and(|status| status != "success")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revocation_is_judged_by_its_body_too() {
        assert!(!says_failure(b""));
        assert!(!says_failure(br#"{"status":"success"}"#));
        assert!(says_failure(br#"{"status":"failure"}"#));
        assert!(says_failure(br#"{"error":"invalid_token"}"#));
    }
}
