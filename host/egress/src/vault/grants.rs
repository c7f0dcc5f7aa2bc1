//! Grants in the vault: consents, their tokens, and when their token endpoint was called.
//!
//! A consent has a generation that no other ever has, so that a token of an earlier consent can never be stored
//! under, or used for, a later one. A refresh is a transaction: the call stands in the journal before it is made, and a
//! rotated refresh token and its access token become durable together, before either is used.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, Transaction, params};
use wardlock_core::id::{GrantName, Region, RegistrationName, ServiceName};
use wardlock_core::service::Budget;

use super::error::VaultError;
use super::kept::{Kept, to_bytes};
use super::record::{
    AccessRow, Begun, Condition, GrantInfo, GrantRow, NewGrant, RefreshMaterial, Settled, Tenant, TenantRow,
};
use super::rows::{self, Head, Kind, Row};
use super::secret::Secret;
use super::store::{Vault, content};

/// The longest wait that a provider is granted (`Retry-After` is cut to an hour).
const LONGEST_THROTTLE_MS: u64 = 60 * 60 * 1000;
/// Calls older than this are forgotten; no provider counts over a longer time.
const FORGET_AFTER_MS: u64 = 24 * 60 * 60 * 1000;

impl Vault {
    /// Returns every grant, by name.
    pub fn grants(&self) -> Result<Vec<GrantInfo>, VaultError> {
        let rows = self.rows.read_all(&self.connection(), Kind::Grant)?;
        rows.iter().map(info).collect()
    }

    /// Returns one grant.
    pub fn grant_info(&self, name: &GrantName) -> Result<GrantInfo, VaultError> {
        info(&self.grant_row(name)?)
    }

    /// Stores a consent, in place of an earlier one of the same name, and returns its generation.
    pub fn put_grant(&self, new: NewGrant) -> Result<u64, VaultError> {
        let (id, registration) = (new.name.as_str().to_owned(), new.registration.clone());
        let mut row = GrantRow {
            registration: new.registration.as_str().to_owned(),
            service: new.service.as_str().to_owned(),
            region: new.region.as_str().to_owned(),
            environment: new.environment,
            scopes: new.scopes,
            refresh_token: new.refresh_token.map(Kept),
            access: new
                .access
                .map(|access| AccessRow { token: Kept(access.token), expires_ms: access.expires_ms }),
            previous: Vec::new(),
            api_host: new.api_host,
            tenant: new.tenant.map(TenantRow::from),
            accounts: new
                .accounts
                .into_iter()
                .map(|(service, found)| (service.to_string(), found.into()))
                .collect(),
            user: new.user,
            created_ms: new.created_ms,
            pending: None,
            condition: None,
            copied: None,
        };
        self.write(|transaction, head| {
            if self.rows.read(transaction, Kind::Registration, registration.as_str())?.is_none() {
                return Err(VaultError::NoRegistration(registration.to_string()));
            }
            if let Some(old) = self.rows.read(transaction, Kind::Grant, &id)? {
                row.inherit(content(&old)?);
            }
            head.generation += 1;
            self.write_grant(transaction, head, &id, head.generation, &row)
        })
    }

    /// Removes a grant with all its tokens.
    pub fn remove_grant(&self, name: &GrantName) -> Result<(), VaultError> {
        let removed = self.write(|transaction, _| {
            if self.rows.read(transaction, Kind::Grant, name.as_str())?.is_none() {
                return Err(VaultError::NoGrant(name.to_string()));
            }
            transaction.execute("DELETE FROM token_calls WHERE grant_name = ?1", [name.as_str()])?;
            rows::remove(transaction, Kind::Grant, name.as_str())
        });
        self.forget_needles();
        removed
    }

    /// Pins the account that a consent was found to be for, as each of these services calls it, and notes who consented, where that is
    /// known. What is pinned already stays.
    pub fn pin_accounts(
        &self,
        name: &GrantName,
        generation: u64,
        found: BTreeMap<ServiceName, Tenant>,
        user: Option<String>,
    ) -> Result<(), VaultError> {
        self.change_grant(name, generation, |row| {
            found.into_iter().for_each(|(service, account)| row.pin(service.as_str(), account.into()));
            row.user = user.or(row.user.take());
        })
    }

    /// Stores a new access token and, where the provider rotated it, the new refresh token: both durable when this
    /// returns, or neither. Refused if the consent was renewed meanwhile.
    pub fn store_access_token(
        &self,
        name: &GrantName,
        generation: u64,
        token: &Arc<Secret>,
        expires_ms: u64,
        rotated_refresh: Option<Arc<Secret>>,
        api_host: Option<String>,
    ) -> Result<(), VaultError> {
        self.change_grant(name, generation, |row| {
            row.renew_access(Arc::clone(token), expires_ms);
            if let Some(rotated) = rotated_refresh {
                row.renew_refresh(rotated);
            }
            // A refresh that names no host leaves the one that is known.
            row.api_host = api_host.or(row.api_host.take());
        })
    }

    /// Returns the stored access token of a consent and when it ends; `None` if there is none.
    pub fn access_token(
        &self,
        name: &GrantName,
        generation: u64,
    ) -> Result<Option<(Arc<Secret>, u64)>, VaultError> {
        let row = self.grant_row(name)?;
        same_generation(&row, generation)?;
        let access = content::<GrantRow>(&row)?.access;
        Ok(access.map(|access| (access.token.0, access.expires_ms)))
    }

    /// Returns what a refresh needs.
    pub(crate) fn refresh_material(&self, name: &GrantName) -> Result<RefreshMaterial, VaultError> {
        let row = self.grant_row(name)?;
        let info = info(&row)?;
        let client = self.client_material(&info.registration, &info.region)?;
        Ok(RefreshMaterial {
            client_id: client.client_id,
            secrets: client.secrets,
            refresh_token: content::<GrantRow>(&row)?.refresh_token.map(|kept| kept.0),
            scopes: info.scopes,
            region: info.region,
            environment: info.environment,
        })
    }

    /// Begins a refresh: unless something hinders it, the call stands in the journal and in the provider's budget, in
    /// one durable step, before it is made.
    pub(crate) fn begin_refresh(
        &self,
        name: &GrantName,
        generation: u64,
        budget: Budget,
        now_ms: u64,
    ) -> Result<Begun, VaultError> {
        let window_ms = budget.window_seconds.saturating_mul(1000);
        let material = self.refresh_material(name)?;
        let condition = self.grant_info(name)?.condition;
        let hindered = match condition {
            Some(Condition::Throttled { until_ms }) => {
                // Longer than any provider may ask for: the clock was set back, and the moment means nothing.
                let left_ms = until_ms.saturating_sub(now_ms);
                (1..=LONGEST_THROTTLE_MS).contains(&left_ms).then_some(Condition::Throttled { until_ms })
            }
            other => other,
        };
        if let Some(hindered) = hindered {
            return Ok(Begun::Hindered(hindered));
        }
        // Calls that a clock set back has put into the near future count, those of a far one mean nothing.
        let mut calls = self.token_calls_since(name, now_ms.saturating_sub(window_ms))?;
        calls.retain(|&at_ms| at_ms <= now_ms.saturating_add(window_ms));
        if calls.len() >= usize::try_from(budget.calls).unwrap_or(usize::MAX) {
            let oldest = calls.first().copied().unwrap_or(now_ms).min(now_ms);
            return Ok(Begun::Hindered(Condition::Throttled { until_ms: oldest.saturating_add(window_ms) }));
        }
        self.change_grant_and(name, generation, |transaction, row| {
            row.begin_refresh(now_ms);
            insert_token_call(transaction, name, now_ms)
        })?;
        Ok(Begun::Call(Box::new(material)))
    }

    /// Notes how a refresh ended that brought no access token; durable when this returns.
    pub(crate) fn settle_refresh(
        &self,
        name: &GrantName,
        generation: u64,
        settled: Settled,
    ) -> Result<(), VaultError> {
        self.change_grant(name, generation, |row| row.settle_refresh(settled))
    }

    /// Notes that a grant's token endpoint was called besides a refresh; durable when this returns.
    pub fn note_token_call(&self, name: &GrantName, now_ms: u64) -> Result<(), VaultError> {
        insert_token_call(&self.connection(), name, now_ms)
    }

    /// Returns when a grant's token endpoint was called since a time, oldest first.
    pub fn token_calls_since(&self, name: &GrantName, since_ms: u64) -> Result<Vec<u64>, VaultError> {
        token_calls(&self.connection(), name, since_ms)
    }

    fn change_grant(
        &self,
        name: &GrantName,
        generation: u64,
        change: impl FnOnce(&mut GrantRow),
    ) -> Result<(), VaultError> {
        self.change_grant_and(name, generation, |_, row| {
            change(row);
            Ok(())
        })
    }

    fn change_grant_and(
        &self,
        name: &GrantName,
        generation: u64,
        change: impl FnOnce(&Transaction<'_>, &mut GrantRow) -> Result<(), VaultError>,
    ) -> Result<(), VaultError> {
        self.write(|transaction, head| {
            let row = self.rows.read(transaction, Kind::Grant, name.as_str())?;
            let row = row.ok_or_else(|| VaultError::NoGrant(name.to_string()))?;
            same_generation(&row, generation)?;
            let mut grant = content(&row)?;
            change(transaction, &mut grant)?;
            self.write_grant(transaction, head, name.as_str(), generation, &grant).map(|_| ())
        })
    }

    fn write_grant(
        &self,
        transaction: &Transaction<'_>,
        head: &mut Head,
        id: &str,
        generation: u64,
        grant: &GrantRow,
    ) -> Result<u64, VaultError> {
        let content = to_bytes(grant).ok_or(VaultError::NotWritten)?;
        let row = Row { id: id.to_owned(), generation, content };
        self.rows.write(transaction, head, Kind::Grant, &row)?;
        Ok(generation)
    }

    fn grant_row(&self, name: &GrantName) -> Result<Row, VaultError> {
        let row = self.rows.read(&self.connection(), Kind::Grant, name.as_str())?;
        row.ok_or_else(|| VaultError::NoGrant(name.to_string()))
    }
}

impl From<Tenant> for TenantRow {
    fn from(tenant: Tenant) -> Self {
        Self { id: tenant.id, label: tenant.label, environment: tenant.environment }
    }
}

impl From<TenantRow> for Tenant {
    fn from(row: TenantRow) -> Self {
        Self { id: row.id, label: row.label, environment: row.environment }
    }
}

pub(super) fn token_calls(
    connection: &Connection,
    name: &GrantName,
    since_ms: u64,
) -> Result<Vec<u64>, VaultError> {
    let query = "SELECT at_ms FROM token_calls WHERE grant_name = ?1 AND at_ms >= ?2 ORDER BY at_ms";
    let mut statement = connection.prepare_cached(query)?;
    let since = i64::try_from(since_ms).unwrap_or(i64::MAX);
    let times = statement.query_map(params![name.as_str(), since], |row| row.get::<_, i64>(0))?;
    times.map(|time| Ok(time?.cast_unsigned())).collect()
}

pub(super) fn insert_token_call(connection: &Connection, name: &GrantName, now_ms: u64) -> Result<(), VaultError> {
    let (now, old) = (now_ms.cast_signed(), now_ms.saturating_sub(FORGET_AFTER_MS).cast_signed());
    connection
        .execute("DELETE FROM token_calls WHERE grant_name = ?1 AND at_ms < ?2", params![name.as_str(), old])?;
    connection.execute("INSERT INTO token_calls VALUES (?1, ?2)", params![name.as_str(), now])?;
    Ok(())
}

fn same_generation(row: &Row, asked: u64) -> Result<(), VaultError> {
    if row.generation == asked {
        return Ok(());
    }
    Err(VaultError::OtherGeneration { name: row.id.clone(), now: row.generation, asked })
}

pub(super) fn info(row: &Row) -> Result<GrantInfo, VaultError> {
    let stored: GrantRow = content(row)?;
    let odd = |_| VaultError::Damaged { what: format!("the names in the row of `{}`", row.id.escape_debug()) };
    let accounts =
        stored.accounts.into_iter().map(|(service, row)| Ok((ServiceName::parse(&service)?, row.into())));
    Ok(GrantInfo {
        name: GrantName::parse(&row.id).map_err(odd)?,
        registration: RegistrationName::parse(&stored.registration).map_err(odd)?,
        service: ServiceName::parse(&stored.service).map_err(odd)?,
        region: Region::parse(&stored.region).map_err(odd)?,
        environment: stored.environment,
        scopes: stored.scopes,
        api_host: stored.api_host,
        tenant: stored.tenant.map(Tenant::from),
        accounts: accounts.collect::<Result<_, _>>().map_err(odd)?,
        user: stored.user,
        generation: row.generation,
        created_ms: stored.created_ms,
        access_expires_ms: stored.access.map(|access| access.expires_ms),
        condition: stored.condition,
        copied: stored.copied,
    })
}
