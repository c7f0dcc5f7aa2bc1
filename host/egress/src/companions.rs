//! What goes beside the access token into requests of a service: further secrets of the registration, and values derived
//! from secrets. Gathered once for each token and service.

use std::sync::Arc;

use wardlock_core::service::{ExtraSource, Ingredient, Place, ServiceDefinition};

use crate::oauth::exchange::TokenError;
use crate::vault::wire::hmac_sha256_hex;
use crate::vault::{CLIENT_SECRET, ClientSecrets, Needles, Secret};

/// Secret values by their place in a request.
#[derive(Debug, Default)]
pub(crate) struct Companions {
    values: Vec<(wardlock_core::service::ExtraPlace, Arc<Secret>)>,
    /// The search for those that are derived: no vault holds them, and they are no less somebody's.
    derived: Option<Needles>,
}

impl Companions {
    /// Gathers those of a token.
    pub fn of(service: &ServiceDefinition, access: &Secret, secrets: &ClientSecrets) -> Result<Self, TokenError> {
        let (mut values, mut derived) = (Vec::new(), Vec::new());
        for extra in &service.inject.extra {
            let value = match &extra.source {
                ExtraSource::Secret(name) => match secrets.further.get(name) {
                    Some(secret) => Arc::clone(secret),
                    None if service.secrets.get(name).is_some_and(|known| known.optional) => continue,
                    None => return Err(missing(name)),
                },
                ExtraSource::HmacSha256 { key, message } => {
                    let of = |ingredient| match ingredient {
                        Ingredient::ClientSecret => {
                            secrets.client_secret.as_deref().ok_or_else(|| missing(CLIENT_SECRET))
                        }
                        Ingredient::AccessToken => Ok(access),
                    };
                    let value = hmac_sha256_hex(of(*key)?, of(*message)?);
                    let value = Arc::new(value.ok_or(TokenError::Internal("a value cannot be derived"))?);
                    derived.push(Arc::clone(&value));
                    value
                }
                ExtraSource::Param(_) | ExtraSource::Text(_) | ExtraSource::Tenant => continue,
            };
            values.push((extra.place.clone(), value));
        }
        let derived: Vec<&Secret> = derived.iter().map(AsRef::as_ref).collect();
        let derived = if derived.is_empty() { None } else { Some(Needles::of(&derived)) };
        let derived = derived.transpose().map_err(|_| TokenError::Internal("a search cannot be prepared"))?;
        Ok(Self { values, derived })
    }

    /// Returns the one that goes to a place; `None` where it is optional and not stored.
    pub fn at(&self, place: Place<'_>) -> Option<&Secret> {
        self.values.iter().find(|(known, _)| known.as_place() == place).map(|(_, secret)| secret.as_ref())
    }

    /// Adds what is derived to what is looked for in answers.
    pub fn among(&self, needles: Arc<Needles>) -> Arc<Needles> {
        match &self.derived {
            Some(derived) => Arc::new(needles.joined(derived)),
            None => needles,
        }
    }
}

fn missing(name: &str) -> TokenError {
    TokenError::Misconfigured {
        code: "missing_secret".to_owned(),
        cause: format!(
            "the registration has no `{name}`, which every request needs: run `wardlock registration set-secret NAME \
             --name {name}`"
        ),
    }
}

#[cfg(test)]
mod tests {
    use wardlock_core::service::parse;

    use super::*;
    use crate::vault::secret;

    fn service(name: &str, text: &str) -> ServiceDefinition {
        parse(text, name).expect("a service")
    }

    #[test]
    fn each_service_of_one_grant_gets_its_own_companions_and_no_other_s() {
        let ads = service("google-ads.toml", include_str!("../../services/google-ads.toml"));
        let crm = service("zoho-crm.toml", include_str!("../../services/zoho-crm.toml"));
        let mut secrets = ClientSecrets::default();
        let token = secret("ya29.canary");
        assert!(matches!(Companions::of(&ads, &token, &secrets), Err(TokenError::Misconfigured { .. })));
        secrets.further.insert("developer-token".to_owned(), Arc::new(secret("canary-developer")));
        let place = Place::Header("developer-token");
        let of = |service| Companions::of(service, &token, &secrets).expect("companions");
        assert!(of(&ads).at(place).is_some_and(|found| found.same(&secret("canary-developer"))));
        assert!(of(&crm).at(place).is_none());
    }

    #[test]
    fn what_is_derived_is_looked_for_though_no_vault_holds_it() {
        let meta = service("meta-ads.toml", include_str!("../../services/meta-ads.toml"));
        let secrets =
            ClientSecrets { client_secret: Some(Arc::new(secret("canary-app-secret"))), ..Default::default() };
        let companions = Companions::of(&meta, &secret("EAAcanary"), &secrets).expect("companions");
        let proof = companions.at(Place::Query("appsecret_proof")).expect("a proof");
        let needles = Arc::new(Needles::of(&[]).expect("needles"));
        assert!(!needles.knows(proof) && companions.among(needles).knows(proof));
    }
}
