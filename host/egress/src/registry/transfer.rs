//! Pushing and pulling, call by call. The names of the calls (`end-…`) are those of the OCI distribution specification 1.1.

use bytes::Bytes;
use http::header::HeaderMap;
use http::{Method, StatusCode};
use reqwest::Url;
use wardlock_core::id::Digest;

use super::artifact::{self, Artifact, LARGEST_MANIFEST, MANIFEST, Made};
use super::call::{Ask, Caller, Credentials, read, unexpected};
use super::error::RegistryError;
use super::reference::{Reference, parse_digest};
use crate::dialer::Dialer;

/// Where a registry says which digest a manifest has.
const CONTENT_DIGEST: &str = "docker-content-digest";

/// What was pushed.
#[derive(Debug, PartialEq, Eq)]
pub struct Pushed {
    /// The manifest's digest: what `@sha256:…` names.
    pub manifest: Digest,
    /// The component's digest: what a workspace file pins.
    pub component: Digest,
}

/// What was pulled; its bytes are those that manifest and reference name.
#[derive(Debug, PartialEq, Eq)]
pub struct Pulled {
    /// The component.
    pub component: Vec<u8>,
    /// The component's digest: what a workspace file pins.
    pub digest: Digest,
    /// The manifest's digest: what `@sha256:…` names.
    pub manifest: Digest,
    /// The minisign signature that came along. Nobody has checked it.
    pub signature: Option<String>,
}

/// Pushes a plugin. What the registry has already is not sent again.
pub async fn push(
    dialer: &Dialer,
    reference: &Reference,
    credentials: Option<Credentials>,
    artifact: &Artifact,
) -> Result<Pushed, RegistryError> {
    let Made { config, manifest } = artifact.make()?;
    let (digest, component) = (Digest::of(&manifest), Digest::of(&artifact.component));
    holds("manifest", reference.digest(), digest)?;
    let mut caller = Caller::open(dialer, reference, credentials, "pull,push").await?;
    put_blob(&mut caller, reference, Bytes::from(artifact.component.clone()), component).await?;
    let config_digest = Digest::of(&config);
    put_blob(&mut caller, reference, Bytes::from(config), config_digest).await?;
    // end-7
    let mut ask = Ask::plain(Method::PUT, place(reference, &format!("manifests/{}", reference.under()))?);
    ask.body = Some((MANIFEST, Bytes::from(manifest)));
    let answer = caller.ask(&ask).await?;
    if answer.status() != StatusCode::CREATED {
        return Err(unexpected(answer, "take a manifest", reference).await);
    }
    holds("manifest", told(answer.headers()), digest)?;
    Ok(Pushed { manifest: digest, component })
}

/// Pulls a plugin, and checks all of it.
pub async fn pull(
    dialer: &Dialer,
    reference: &Reference,
    credentials: Option<Credentials>,
) -> Result<Pulled, RegistryError> {
    let mut caller = Caller::open(dialer, reference, credentials, "pull").await?;
    // end-3
    let mut ask = Ask::plain(Method::GET, place(reference, &format!("manifests/{}", reference.by()))?);
    ask.accept = Some(MANIFEST);
    let answer = caller.ask(&ask).await?;
    if answer.status() != StatusCode::OK {
        return Err(unexpected(answer, "give a manifest", reference).await);
    }
    let told = told(answer.headers());
    let manifest = read(answer, LARGEST_MANIFEST, "manifest").await?;
    let digest = Digest::of(&manifest);
    holds("manifest", reference.digest(), digest)?;
    holds("manifest", told, digest)?;
    let named = artifact::read(&manifest)?;
    // end-2
    let ask = Ask::plain(Method::GET, place(reference, &format!("blobs/sha256:{}", named.digest))?);
    let answer = caller.ask(&ask).await?;
    if answer.status() != StatusCode::OK {
        return Err(unexpected(answer, "give a component", &reference.pinned(named.digest)).await);
    }
    let wrong_size = RegistryError::WrongSize { what: "component", size: named.size };
    let component = match read(answer, named.size, "component").await {
        Err(RegistryError::TooLarge { .. }) => return Err(wrong_size),
        read => read?,
    };
    if component.len() != named.size {
        return Err(wrong_size);
    }
    let found = Digest::of(&component);
    holds("component", Some(named.digest), found)?;
    Ok(Pulled { component, digest: found, manifest: digest, signature: named.signature })
}

/// Sends a blob in one piece, unless it is there.
async fn put_blob(
    caller: &mut Caller,
    reference: &Reference,
    bytes: Bytes,
    digest: Digest,
) -> Result<(), RegistryError> {
    // end-2
    let there = Ask::plain(Method::HEAD, place(reference, &format!("blobs/sha256:{digest}"))?);
    if caller.ask(&there).await?.status() == StatusCode::OK {
        return Ok(());
    }
    // end-4a
    let begin = Ask::plain(Method::POST, place(reference, "blobs/uploads/")?);
    let answer = caller.ask(&begin).await?;
    if answer.status() != StatusCode::ACCEPTED {
        return Err(unexpected(answer, "begin an upload", reference).await);
    }
    let upload = Caller::location(answer.url(), answer.headers());
    let mut upload =
        upload.ok_or_else(|| RegistryError::Incomplete { host: caller.host(), what: "the place of an upload" })?;
    upload.query_pairs_mut().append_pair("digest", &format!("sha256:{digest}"));
    // end-6
    let mut ask = Ask::plain(Method::PUT, upload);
    ask.body = Some(("application/octet-stream", bytes));
    let answer = caller.ask(&ask).await?;
    if answer.status() != StatusCode::CREATED {
        return Err(unexpected(answer, "take a blob", reference).await);
    }
    Ok(())
}

fn place(reference: &Reference, end: &str) -> Result<Url, RegistryError> {
    // A reference's parts stand in a path as they are, so it never fails.
    let path = format!("v2/{}/{end}", reference.repository());
    reference.base().join(&path).map_err(|_| RegistryError::Client)
}

fn told(headers: &HeaderMap) -> Option<Digest> {
    parse_digest(headers.get(CONTENT_DIGEST)?.to_str().ok()?)
}

fn holds(what: &'static str, named: Option<Digest>, found: Digest) -> Result<(), RegistryError> {
    match named {
        Some(named) if named != found => Err(RegistryError::WrongDigest { what, named, found }),
        _ => Ok(()),
    }
}
