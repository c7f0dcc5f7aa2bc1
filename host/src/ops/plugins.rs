//! `wardlock plugin add`: a component into the home; it judges nothing until a workspace file names it. `wardlock plugin list`: the
//! chains, and whether their plugins run.

mod table;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use wardlock_audit::Act;
use wardlock_core::connection::LinkMode;
use wardlock_core::id::{Digest, WorkspaceName};

use super::{blocking, connections, note, recordings, who};
use crate::admin::{Brought, Failure};
use crate::config::Document;
use crate::home::{Home, HomeError};
use crate::host::Host;
use crate::loaded::{self, LoadedConnection, State};
use crate::trust::{Publishers, SIGNATURE_END, Standing};

/// Lists the plugins of every chain, in the chain's order. Where a connection or a whole workspace is closed there is one row that says why.
pub(super) fn list(host: &Host) -> Value {
    let loaded = host.loaded();
    let chains = loaded.connections().flat_map(|found| {
        let stale = loaded.stale(found.connection.workspace.as_str());
        chain(found).into_iter().map(move |mut row| {
            row["stale"] = stale.clone().into();
            row
        })
    });
    let closed = loaded.closed().map(|(workspace, reason)| closed_row(&format!("{workspace}/*"), reason));
    chains.chain(closed).collect()
}

fn closed_row(connection: &str, reason: &str) -> Value {
    json!({ "connection": connection, "plugin": null, "health": format!("closed: {reason}") })
}

fn chain(found: &LoadedConnection) -> Vec<Value> {
    let connection = format!("{}/{}", found.connection.workspace, found.connection.name);
    let open = match &found.state {
        State::Open(open) => open,
        State::Closed { reason } => {
            return vec![closed_row(&connection, reason)];
        }
    };
    let links = open.connection.chain.iter().zip(&open.plugins).zip(&open.standings);
    let shown = links.enumerate().map(|(at, ((link, plugin), standing))| {
        json!({
            "connection": connection,
            "place": at + 1,
            "plugin": link.name.as_str(),
            "version": plugin.description().version,
            "mode": match link.mode {
                LinkMode::Enforce => "enforce",
                LinkMode::Monitor => "monitor",
            },
            "health": if plugin.is_tripped() { "not run: it kept failing" } else { "runs" },
            "faults": plugin.faults().load(Ordering::Relaxed),
            "capabilities": link.capabilities,
            "signature": standing.words(),
            "sha256": link.digest.to_string(),
        })
    });
    shown.collect()
}

/// Returns the component that came with a command, if it is the one that the command names.
pub(super) fn came(brought: Brought, sha256: &str) -> Result<Vec<u8>, Failure> {
    let component = brought.file().ok_or_else(|| Failure::usage("no component came with the command"))?;
    if Digest::of(&component).to_string() == sha256 {
        return Ok(component);
    }
    Err(Failure::no("the component that came is not the one that the command names")
        .hint("nothing was kept; something else may stand in the daemon's place: look who has `admin.sock`"))
}

/// Keeps a component and its signature, and returns the table that puts it into a chain. `place` is the workspace and its
/// connection. A signature that does not hold keeps the component out, and so does one that no plugin here loads with.
pub(super) async fn add(
    host: &Arc<Host>,
    place: Option<(&str, &str)>,
    component: Vec<u8>,
    signature: Option<String>,
) -> Result<Value, Failure> {
    if let Some((workspace, connection)) = place {
        find(host, workspace, connection)?;
    }
    let signature = signature.map(String::into_bytes);
    let standing = host
        .config()
        .publishers()
        .standing(&component, signature.as_deref())
        .map_err(|error| Failure::no(&error).hint(error.hint()))?;
    let inspection = host.sandbox().inspect(component.clone()).await?;
    let about = inspection.about?;
    let (digest, size) = (inspection.digest, inspection.size);
    let named =
        Named { name: about.description.name.clone(), digest, bytes: component.clone(), signature, standing };
    let (of_host, workspace_file) = (Arc::clone(host), place.map(|(name, _)| format!("workspaces/{name}.toml")));
    let file = workspace_file.clone();
    let (kept, text) = blocking(move || {
        let text = file.map(|file| of_host.home().read_text(&file)).transpose()?.flatten();
        keep(of_host.home(), of_host.config().publishers(), named).map(|kept| (kept, text))
    })
    .await??;
    let placed = Placed { about: &about, file: &kept.file, digest, standing: &kept.standing };
    let file = workspace_file.as_deref().zip(text.as_deref());
    let (table, unread) = table_for(&placed, place.map(|(_, connection)| connection), file);
    note(host, Act::admin(who(), "plugin.add", format!("plugins/{}", kept.file), digest.to_string())).await;
    // The component is kept by now: what cannot be compared is told, and takes nothing back.
    let compared =
        recordings::otherwise(host, place, recordings::Brought { about: &about, digest, bytes: &component });
    let (recorded, not_compared) = Box::pin(compared)
        .await
        .map_or_else(|failure| (Vec::new(), Some(failure.message)), |recorded| (recorded, None));
    Ok(json!({
        "recorded": recorded,
        "not_compared": not_compared,
        "name": about.description.name,
        "version": about.description.version,
        "sha256": digest.to_string(),
        "bytes": size,
        "file": kept.file,
        "kept": kept.by_digest,
        "signature": kept.standing.to_json(),
        "signer": kept.standing.words(),
        "capabilities": about.description.capabilities,
        "workspace_file": workspace_file,
        "unread": unread,
        "toml": table.toml,
        "replaces_line": table.replaces,
        "warnings": table.warnings,
    }))
}

/// Writes the table for a component; where the workspace's file, by its name and text, does not parse, only what tells the component, with
/// why.
fn table_for(
    placed: &Placed<'_>,
    connection: Option<&str>,
    file: Option<(&str, &str)>,
) -> (table::Table, Option<String>) {
    match file.and_then(|(name, text)| Document::parse(name, text).err()) {
        Some(error) => (table::bare(placed), Some(error.to_string())),
        None => (table::of(placed, connection, file.map(|(_, text)| text)), None),
    }
}

/// Finds the connection that a component is for. One that stands in its file already, and is not loaded, has a hint of its own.
fn find(host: &Host, workspace: &str, connection: &str) -> Result<(), Failure> {
    let loaded = host.loaded();
    let Err(failure) = connections::find(&loaded, workspace, connection) else { return Ok(()) };
    let is_closed = loaded.workspace(workspace).is_some_and(|found| found.connections.is_err());
    let file = format!("workspaces/{workspace}.toml");
    let named = WorkspaceName::parse(workspace).is_ok() && !is_closed;
    let text = named.then(|| host.home().read_text(&file).ok().flatten()).flatten();
    Err(match text.filter(|text| table::names_connection(text, connection)) {
        Some(_) => failure
            .hint(format!("{file} names it, and is not loaded as it stands now: run `wardlock reload` first")),
        None => failure,
    })
}

/// A component that somebody brought, and what it calls itself.
struct Named {
    name: String,
    digest: Digest,
    bytes: Vec<u8>,
    signature: Option<Vec<u8>>,
    standing: Standing,
}

/// Where a component was kept.
struct Kept {
    file: String,
    by_digest: String,
    /// What the signature says that stands beside it now.
    standing: Standing,
}

/// Writes it twice: where workspace files name it, and by digest. What stands there keeps its file, because a workspace file
/// may pin it; this one goes beside it.
fn keep(home: &Home, publishers: &Publishers, named: Named) -> Result<Kept, Failure> {
    let Named { name, digest, bytes, mut signature, mut standing } = named;
    let file = file_for(home, &name, digest, &bytes)?;
    if standing.publisher().is_none() {
        let places = [format!("plugins/{file}"), loaded::kept_name(digest)];
        if let Some((trusted, says)) = trusted_before(home, publishers, &bytes, &places)? {
            (signature, standing) = (Some(trusted), says);
        }
    }
    publishers.admit(&standing, None).map_err(|error| {
        Failure::no(format!("it would not load: {error}")).hint(error.hint(&format!("{name}.wasm{SIGNATURE_END}")))
    })?;
    // The signature first: at no instant the component stands beside that of another one.
    if let Some(signature) = &signature {
        home.write(&format!("plugins/{file}{SIGNATURE_END}"), signature)?;
    }
    home.write(&format!("plugins/{file}"), &bytes)?;
    let by_digest = loaded::keep(home, digest, &bytes, signature.as_deref())?;
    Ok(Kept { file, by_digest, standing })
}

/// Returns the first of its names at which nothing else stands. The second may be another component's own: whoever builds one
/// chooses what it calls itself.
fn file_for(home: &Home, name: &str, digest: Digest, bytes: &[u8]) -> Result<String, Failure> {
    let digest = digest.to_string();
    let short = format!("{name}-{}.wasm", &digest[..8]);
    for file in [format!("{name}.wasm"), short, format!("{name}-{digest}.wasm")] {
        if home.read(&format!("plugins/{file}"))?.is_none_or(|found| found == bytes) {
            return Ok(file);
        }
    }
    Err(Failure::no(format!("plugins/{name}-{digest}.wasm is not what its name says"))
        .hint("move it away: nothing was kept, and what a workspace file may pin is not written over"))
}

/// Finds a publisher's signature that stands beside the same bytes already: one by a key that nobody trusts, or none, does not
/// take its place, because the chains that load by it would not load any more.
fn trusted_before(
    home: &Home,
    publishers: &Publishers,
    bytes: &[u8],
    places: &[String],
) -> Result<Option<(Vec<u8>, Standing)>, HomeError> {
    for file in places {
        let same = home.read(file)?.is_some_and(|found| found == bytes);
        let Some(signature) = home.read(&format!("{file}{SIGNATURE_END}"))?.filter(|_| same) else { continue };
        if let Ok(standing @ Standing::Signed(_)) = publishers.standing(bytes, Some(&signature)) {
            return Ok(Some((signature, standing)));
        }
    }
    Ok(None)
}

/// A component as it goes into a chain.
struct Placed<'a> {
    about: &'a wardlock_sandbox::About,
    file: &'a str,
    digest: Digest,
    standing: &'a Standing,
}
