//! `vault import`: what an export holds into a vault, all of it or nothing.

use std::collections::BTreeSet;

use rusqlite::Transaction;
use zeroize::Zeroizing;

use super::super::error::VaultError;
use super::super::files;
use super::super::grants;
use super::super::kept::{from_bytes, to_bytes};
use super::super::record::{Copied, GrantRow, RegistrationRow};
use super::super::registrations;
use super::super::rows::{Head, Kind, Row};
use super::super::store::{Vault, content};
use super::envelope::{Content, Opening};
use super::error::CopyError;
use super::export::{Document, GrantEntry, LARGEST, RegistrationEntry, Versions};

/// What becomes of records whose names the vault has already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// They stay, and nothing is imported.
    Refuse,
    /// The file's take their place.
    Replace,
}

/// What was imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// When the export was made.
    pub made_ms: u64,
    /// The registrations' names.
    pub registrations: Vec<String>,
    /// The grants' names.
    pub grants: Vec<String>,
    /// Which of all these took the place of another.
    pub replaced: Vec<String>,
}

impl Vault {
    /// Imports an export. Each grant gets a generation that this vault never gave and is marked as [`Copied`].
    pub fn import(
        &self,
        file: &[u8],
        opening: &Opening,
        existing: Existing,
        now_ms: u64,
    ) -> Result<Imported, CopyError> {
        let document = read(file, opening)?;
        let mut imported = Imported {
            made_ms: document.made_ms,
            registrations: document.registrations.iter().map(|entry| entry.name.clone()).collect(),
            grants: document.grants.iter().map(|entry| entry.name.clone()).collect(),
            replaced: Vec::new(),
        };
        let copied = Copied { made_ms: document.made_ms, brought_ms: now_ms };
        self.write_or(|transaction, head| {
            imported.replaced = self.taken(transaction, &document)?;
            if existing == Existing::Refuse && !imported.replaced.is_empty() {
                return Err(CopyError::NamesTaken { names: imported.replaced.join(", ") });
            }
            self.check_clients(transaction, &document)?;
            for entry in document.registrations {
                self.import_registration(transaction, head, entry)?;
            }
            for entry in document.grants {
                self.import_grant(transaction, head, entry, copied)?;
            }
            Ok(())
        })?;
        Ok(imported)
    }

    /// Returns the records of the document whose names are in use.
    fn taken(&self, transaction: &Transaction<'_>, document: &Document) -> Result<Vec<String>, CopyError> {
        let registrations = document.registrations.iter().map(|entry| (Kind::Registration, &entry.name));
        let grants = document.grants.iter().map(|entry| (Kind::Grant, &entry.name));
        let mut taken = Vec::new();
        for (kind, name) in registrations.chain(grants) {
            if self.rows.read(transaction, kind, name)?.is_some() {
                let kind = if kind == Kind::Grant { "grant" } else { "registration" };
                taken.push(format!("{kind} `{name}`"));
            }
        }
        Ok(taken)
    }

    /// A grant works with the client that it was made with, and with no other.
    fn check_clients(&self, transaction: &Transaction<'_>, document: &Document) -> Result<(), CopyError> {
        let coming: BTreeSet<&str> = document.grants.iter().map(|entry| entry.name.as_str()).collect();
        for entry in &document.registrations {
            let Some(row) = self.rows.read(transaction, Kind::Registration, &entry.name)? else { continue };
            let stored: RegistrationRow = content(&row)?;
            if (&stored.client_id, &stored.service) == (&entry.row.client_id, &entry.row.service) {
                continue;
            }
            let mut left = Vec::new();
            for row in self.rows.read_all(transaction, Kind::Grant)? {
                if content::<GrantRow>(&row)?.registration == entry.name && !coming.contains(row.id.as_str()) {
                    left.push(row.id.clone());
                }
            }
            if !left.is_empty() {
                return Err(CopyError::OtherClient { name: entry.name.clone(), grants: left.join(", ") });
            }
        }
        Ok(())
    }

    fn import_registration(
        &self,
        transaction: &Transaction<'_>,
        head: &mut Head,
        entry: RegistrationEntry,
    ) -> Result<(), CopyError> {
        let RegistrationEntry { name, mut row } = entry;
        // A file does not choose which programs are run here.
        row.programs.clear();
        if let Some(old) = self.rows.read(transaction, Kind::Registration, &name)? {
            row.inherit(content(&old)?);
        }
        let content = to_bytes(&row).ok_or(VaultError::NotWritten)?;
        let row = Row { id: name, generation: 0, content };
        registrations::info(&row).map_err(|_| odd_names(&row.id))?;
        Ok(self.rows.write(transaction, head, Kind::Registration, &row)?)
    }

    fn import_grant(
        &self,
        transaction: &Transaction<'_>,
        head: &mut Head,
        entry: GrantEntry,
        copied: Copied,
    ) -> Result<(), CopyError> {
        let GrantEntry { name, generation, calls_ms, mut row } = entry;
        if self.rows.read(transaction, Kind::Registration, &row.registration)?.is_none() {
            return Err(VaultError::NoRegistration(row.registration).into());
        }
        if let Some(old) = self.rows.read(transaction, Kind::Grant, &name)? {
            row.inherit(content(&old)?);
        }
        row.bring(copied);
        // Neither one that this vault has given, nor one that the other vault's audit speaks of.
        head.generation = head.generation.max(generation) + 1;
        let content = to_bytes(&row).ok_or(VaultError::NotWritten)?;
        let row = Row { id: name, generation: head.generation, content };
        let name = grants::info(&row).map_err(|_| odd_names(&row.id))?.name;
        self.rows.write(transaction, head, Kind::Grant, &row)?;
        for at_ms in calls_ms {
            grants::insert_token_call(transaction, &name, at_ms)?;
        }
        Ok(())
    }
}

fn read(file: &[u8], opening: &Opening) -> Result<Document, CopyError> {
    let mut opened = opening.open(Content::Export, file)?;
    // Encryption adds to the length, so the file's own bounds what is in it.
    let limit = LARGEST.min(file.len() as u64);
    let plaintext: Zeroizing<Vec<u8>> = files::read_bounded(&mut opened, limit).map_err(CopyError::of_stream)?;
    if plaintext.len() as u64 > limit {
        return Err(CopyError::BadContent { what: format!("it is longer than {limit} bytes") });
    }
    let unreadable = || CopyError::BadContent { what: "it is no document of registrations and grants".to_owned() };
    let versions: Versions = from_bytes(&plaintext).ok_or_else(unreadable)?;
    let known = [Kind::Registration, Kind::Grant].map(Kind::version);
    if versions.registration_version > known[0] || versions.grant_version > known[1] {
        return Err(CopyError::Newer);
    }
    let document: Document = from_bytes(&plaintext).ok_or_else(unreadable)?;
    check(&document)?;
    Ok(document)
}

fn odd_names(id: &str) -> CopyError {
    CopyError::BadContent { what: format!("the names in the record `{}`", id.escape_debug()) }
}

fn check(document: &Document) -> Result<(), CopyError> {
    let names = |names: Vec<&str>| names.iter().collect::<BTreeSet<_>>().len() == names.len();
    let registrations = document.registrations.iter().map(|entry| entry.name.as_str()).collect();
    let grants = document.grants.iter().map(|entry| entry.name.as_str()).collect();
    if names(registrations) && names(grants) && document.grants.iter().all(|entry| entry.generation < u64::MAX / 2)
    {
        return Ok(());
    }
    Err(CopyError::BadContent { what: "a name occurs twice, or a generation is absurd".to_owned() })
}
