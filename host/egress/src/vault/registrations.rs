//! Registrations in the vault: added once, never overwritten, removed only when no grant needs them.

use std::collections::BTreeMap;
use std::sync::Arc;

use wardlock_core::id::{Region, RegistrationName, ServiceName};

use super::error::VaultError;
use super::kept::{Kept, to_bytes};
use super::record::{
    CLIENT_SECRET, ClientMaterial, ClientSecrets, Condition, GrantInfo, GrantRow, LeftoverRow, LiveGrant,
    NewRegistration, RegistrationInfo, RegistrationRow,
};
use super::rows::{self, Kind, Row};
use super::secret::Secret;
use super::store::{Vault, content};

impl Vault {
    /// Returns every registration, by name.
    pub fn registrations(&self) -> Result<Vec<RegistrationInfo>, VaultError> {
        let rows = self.rows.read_all(&self.connection(), Kind::Registration)?;
        rows.iter().map(info).collect()
    }

    /// Returns one registration.
    pub fn registration(&self, name: &RegistrationName) -> Result<RegistrationInfo, VaultError> {
        info(&self.registration_row(name)?)
    }

    /// Stores a registration; one of the same name is never overwritten.
    pub fn add_registration(&self, new: NewRegistration) -> Result<(), VaultError> {
        let id = new.name.as_str().to_owned();
        let region_secrets = new.region_secrets.into_iter();
        let programs =
            BTreeMap::from_iter((!new.program.is_empty()).then(|| (CLIENT_SECRET.to_owned(), new.program)));
        let row = RegistrationRow {
            programs,
            service: new.service.as_str().to_owned(),
            client_id: new.client_id,
            redirect_uri: new.redirect_uri,
            secret: new.secret.map(Kept::from),
            region_secrets: region_secrets.map(|(region, own)| (region.as_str().to_owned(), own.into())).collect(),
            further: BTreeMap::new(),
            created_ms: new.created_ms,
            previous: Vec::new(),
            leftovers: Vec::new(),
        };
        let content = to_bytes(&row).ok_or(VaultError::NotWritten)?;
        self.write(|transaction, head| {
            if self.rows.read(transaction, Kind::Registration, &id)?.is_some() {
                return Err(VaultError::RegistrationExists(id));
            }
            self.rows.write(transaction, head, Kind::Registration, &Row { id, generation: 0, content })
        })
    }

    /// Removes a registration that no grant uses.
    pub fn remove_registration(&self, name: &RegistrationName) -> Result<(), VaultError> {
        let removed = self.write(|transaction, _| {
            if self.rows.read(transaction, Kind::Registration, name.as_str())?.is_none() {
                return Err(VaultError::NoRegistration(name.to_string()));
            }
            let mut users = Vec::new();
            for row in self.rows.read_all(transaction, Kind::Grant)? {
                if content::<GrantRow>(&row)?.registration == name.as_str() {
                    users.push(row.id.clone());
                }
            }
            if !users.is_empty() {
                return Err(VaultError::RegistrationInUse { name: name.to_string(), grants: users.join(", ") });
            }
            rows::remove(transaction, Kind::Registration, name.as_str())
        });
        self.forget_needles();
        removed
    }

    /// Replaces the common client secret, or a region's own.
    pub(crate) fn set_registration_secret(
        &self,
        name: &RegistrationName,
        region: Option<&Region>,
        secret: Arc<Secret>,
    ) -> Result<(), VaultError> {
        self.change_registration(name, |stored| stored.renew_secret(region, secret))
    }

    /// Notes the program that gave a secret; an empty one: none did.
    pub fn set_program(
        &self,
        name: &RegistrationName,
        which: &str,
        program: Vec<String>,
    ) -> Result<(), VaultError> {
        self.change_registration(name, |stored| {
            if program.is_empty() {
                stored.programs.remove(which);
            } else {
                stored.programs.insert(which.to_owned(), program);
            }
        })
    }

    /// Stores or replaces a further secret of a registration.
    pub(crate) fn set_further_secret(
        &self,
        name: &RegistrationName,
        which: &str,
        secret: Arc<Secret>,
    ) -> Result<(), VaultError> {
        self.change_registration(name, |stored| stored.renew_further(which, secret))
    }

    /// Remembers a grant that is stored no more and could not be revoked: the provider counts it still.
    pub(crate) fn note_leftover(
        &self,
        name: &RegistrationName,
        LiveGrant { grant: _, user, tenant, created_ms }: LiveGrant,
    ) -> Result<(), VaultError> {
        self.change_registration(name, |stored| stored.leave(LeftoverRow { user, tenant, created_ms }))
    }

    /// Returns what lives at the provider under a registration, as far as is known, oldest first.
    pub fn live_grants(&self, name: &RegistrationName) -> Result<Vec<LiveGrant>, VaultError> {
        let stored: RegistrationRow = content(&self.registration_row(name)?)?;
        let leftover =
            |LeftoverRow { user, tenant, created_ms }| LiveGrant { grant: None, user, tenant, created_ms };
        let mut live: Vec<LiveGrant> = stored.leftovers.into_iter().map(leftover).collect();
        let dead = |grant: &GrantInfo| matches!(grant.condition, Some(Condition::Reconnect { .. }));
        let grants = self.grants()?.into_iter().filter(|grant| grant.registration == *name && !dead(grant));
        live.extend(grants.map(|grant| LiveGrant {
            grant: Some(grant.name),
            user: grant.user,
            tenant: grant.tenant.map(|tenant| tenant.id),
            created_ms: grant.created_ms,
        }));
        live.sort_by_key(|grant| grant.created_ms);
        Ok(live)
    }

    fn change_registration(
        &self,
        name: &RegistrationName,
        change: impl FnOnce(&mut RegistrationRow),
    ) -> Result<(), VaultError> {
        self.write(|transaction, head| {
            let row = self.rows.read(transaction, Kind::Registration, name.as_str())?;
            let row = row.ok_or_else(|| VaultError::NoRegistration(name.to_string()))?;
            let mut stored: RegistrationRow = content(&row)?;
            change(&mut stored);
            let content = to_bytes(&stored).ok_or(VaultError::NotWritten)?;
            self.rows.write(transaction, head, Kind::Registration, &Row { content, ..row })
        })
    }

    /// Returns a grant whose tokens are made with a registration's common secret, or with a region's own; one that can
    /// be renewed goes before others.
    pub(crate) fn grant_using(
        &self,
        name: &RegistrationName,
        region: Option<&Region>,
    ) -> Result<Option<GrantInfo>, VaultError> {
        let registration = self.registration(name)?;
        let mut grants = self.grants()?;
        grants.retain(|grant| {
            let same_secret = match region {
                Some(region) => grant.region == *region,
                None => !registration.region_secrets.contains(&grant.region),
            };
            grant.registration == *name && same_secret
        });
        grants.sort_by_key(|grant| grant.condition.is_some());
        Ok(grants.into_iter().next())
    }

    /// Returns what a code exchange in a region needs. A region's own secret goes before the common one.
    pub(crate) fn client_material(
        &self,
        name: &RegistrationName,
        region: &Region,
    ) -> Result<ClientMaterial, VaultError> {
        let row = self.registration_row(name)?;
        let stored: RegistrationRow = content(&row)?;
        let own = pick(stored.region_secrets, region).or(stored.secret);
        Ok(ClientMaterial {
            client_id: stored.client_id,
            redirect_uri: stored.redirect_uri,
            secrets: ClientSecrets {
                client_secret: own.map(|Kept(own)| own),
                further: stored.further.into_iter().map(|(name, Kept(secret))| (name, secret)).collect(),
            },
        })
    }

    fn registration_row(&self, name: &RegistrationName) -> Result<Row, VaultError> {
        let row = self.rows.read(&self.connection(), Kind::Registration, name.as_str())?;
        row.ok_or_else(|| VaultError::NoRegistration(name.to_string()))
    }
}

fn pick(mut secrets: BTreeMap<String, Kept>, region: &Region) -> Option<Kept> {
    secrets.remove(region.as_str())
}

pub(super) fn info(row: &Row) -> Result<RegistrationInfo, VaultError> {
    let stored: RegistrationRow = content(row)?;
    let odd = |_| VaultError::Damaged { what: format!("the names in the row of `{}`", row.id.escape_debug()) };
    let regions: Result<Vec<_>, _> = stored.region_secrets.keys().map(|region| Region::parse(region)).collect();
    Ok(RegistrationInfo {
        name: RegistrationName::parse(&row.id).map_err(odd)?,
        service: ServiceName::parse(&stored.service).map_err(odd)?,
        client_id: stored.client_id,
        redirect_uri: stored.redirect_uri,
        has_secret: stored.secret.is_some(),
        region_secrets: regions.map_err(odd)?,
        further_secrets: stored.further.into_keys().collect(),
        programs: stored.programs,
        created_ms: stored.created_ms,
    })
}
