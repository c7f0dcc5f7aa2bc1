//! Tells the provider that a grant is given up: every form that the service lists, in order, until one holds.

use std::collections::HashMap;

use wardlock_core::service::{RevokeForm, TokenPlace};

use crate::oauth::endpoint::{self, EndpointError};
use crate::oauth::registered::{RegisteredClient, with};
use crate::vault::Secret;
use crate::vault::wire::{SecretForm, header_value, hmac_sha256_hex, with_secret_query};

/// How a revocation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revoked {
    /// The provider says that it is done.
    Done,
    /// The provider did not know the token any more.
    AlreadyGone,
    /// There is nothing at the provider that could be revoked.
    Nothing,
    /// No form worked: the token may still live at the provider.
    Failed,
}

impl Revoked {
    /// Returns the word used in the audit.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "revoked",
            Self::AlreadyGone => "already_gone",
            Self::Nothing => "nothing_to_revoke",
            Self::Failed => "revocation_failed",
        }
    }
}

impl RegisteredClient<'_> {
    /// Revokes what renews a grant's tokens: tries the forms. A form's `gone` counts only if no other form does it. A client
    /// that asks for itself, and a key, are given up in the provider's console.
    pub async fn revoke(&self, token: Option<&Secret>) -> Revoked {
        let Some(token) = token.filter(|_| !self.service.oauth.is_key()) else {
            return Revoked::Nothing;
        };
        let mut best = Revoked::Failed;
        for form in &self.service.oauth.revoke {
            match self.revoke_by(form, token).await {
                Ok(Revoked::Done) => return Revoked::Done,
                Ok(Revoked::AlreadyGone) => best = Revoked::AlreadyGone,
                Ok(Revoked::Failed | Revoked::Nothing) | Err(_) => {}
            }
        }
        best
    }

    async fn revoke_by(&self, form: &RevokeForm, token: &Secret) -> Result<Revoked, EndpointError> {
        let mut url = self.url(&form.path)?;
        let mut fields = with(SecretForm::new(), &form.params);
        if let Some((name, value)) = &form.hint {
            fields = fields.plain(name, value);
        }
        let mut bearer = None;
        match form.token_in {
            TokenPlace::Query => url = with_secret_query(url, "token", token),
            TokenPlace::Body => fields = fields.secret("token", token),
            TokenPlace::Bearer => {
                bearer = Some(header_value("Bearer ", token).map_err(|_| EndpointError::Client)?);
            }
        }
        let (fields, basic) = match form.client_auth {
            Some(how) => self.authenticated(fields, how)?,
            None => (fields, None),
        };
        let authorization = bearer.or(basic);
        let answer = if form.is_delete {
            if let (TokenPlace::Bearer, Some(secret), Some(proof)) =
                (form.token_in, self.client_secret, self.service.inject.proof())
            {
                let derived = hmac_sha256_hex(secret, token).ok_or(EndpointError::Client)?;
                url = with_secret_query(url, proof, &derived);
            }
            endpoint::delete(self.dialer, self.service, url, authorization).await?
        } else {
            endpoint::post(self.dialer, self.service, url, fields, authorization).await?
        };
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
