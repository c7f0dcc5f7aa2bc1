//! `wardlock plugin add`: a component into the home; it judges nothing until a workspace file names it. `wardlock plugin list`: the
//! chains, and whether their plugins run.

use std::sync::Arc;

use serde_json::{Value, json};
use wardlock_audit::Act;
use wardlock_core::connection::LinkMode;
use wardlock_core::id::{Digest, PluginName};
use wardlock_sandbox::About;

use super::{blocking, connections, note, recordings, who};
use crate::admin::Failure;
use crate::home::{Home, HomeError};
use crate::host::Host;
use crate::loaded::{self, LoadedConnection, State};
use crate::trust::{SIGNATURE_END, Standing};

/// Lists the plugins of every chain, in the chain's order. Where a connection is closed there is one row that says why.
pub(super) fn list(host: &Host) -> Value {
    host.loaded().connections().flat_map(|found| chain(host, found)).collect()
}

fn chain(host: &Host, found: &LoadedConnection) -> Vec<Value> {
    let connection = format!("{}/{}", found.connection.workspace, found.connection.name);
    let open = match &found.state {
        State::Open(open) => open,
        State::Closed { reason } => {
            return vec![
                json!({ "connection": connection, "plugin": null, "health": format!("closed: {reason}") }),
            ];
        }
    };
    let metrics = open.metrics(host.metrics());
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
            "faults": metrics.faults_of(link.name.as_str()),
            "capabilities": link.capabilities,
            "signature": standing.words(),
            "sha256": link.digest.to_string(),
        })
    });
    shown.collect()
}

/// Keeps a component and its signature, and returns the table that puts it into a chain. `place` is the workspace and its
/// connection. A signature that does not hold keeps the component out.
pub(super) async fn add(
    host: &Arc<Host>,
    place: Option<(&str, &str)>,
    component: Option<Vec<u8>>,
    signature: Option<String>,
) -> Result<Value, Failure> {
    let component = component.ok_or_else(|| Failure::usage("no component came with the command"))?;
    if let Some((workspace, connection)) = place {
        connections::find(&host.loaded(), workspace, connection)?;
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
    let (home, name, bytes) = (Arc::clone(host), about.description.name.clone(), component.clone());
    let kept = blocking(move || keep(home.home(), &name, digest, &bytes, signature.as_deref())).await??;
    note(host, Act::admin(who(), "plugin.add", format!("plugins/{}", kept.file), digest.to_string())).await;
    let workspace = place.map(|(workspace, _)| workspace);
    // The component is kept by now: what cannot be compared is told, and takes nothing back.
    let compared = recordings::otherwise(host, workspace, &about.description.name, digest, &component);
    let recorded = Box::pin(compared).await;
    let (recorded, not_compared) = match recorded {
        Ok(recorded) => (recorded, None),
        Err(failure) => (Vec::new(), Some(failure.message)),
    };
    Ok(json!({
        "recorded": recorded,
        "not_compared": not_compared,
        "name": about.description.name,
        "version": about.description.version,
        "sha256": digest.to_string(),
        "bytes": size,
        "file": kept.file,
        "kept": kept.by_digest,
        "signature": standing.to_json(),
        "signer": standing.words(),
        "capabilities": about.description.capabilities,
        "workspace_file": place.map(|(workspace, _)| format!("workspaces/{workspace}.toml")),
        "toml": table(&about, place.map(|(_, connection)| connection), &kept.file, digest, &standing),
    }))
}

/// Where a component was kept.
struct Kept {
    file: String,
    by_digest: String,
}

/// Writes it twice: where workspace files name it, and by digest. Another component of that name keeps its file,
/// because a workspace file may pin it; this one goes beside it.
fn keep(
    home: &Home,
    name: &str,
    digest: Digest,
    component: &[u8],
    signature: Option<&[u8]>,
) -> Result<Kept, HomeError> {
    let plain = format!("{name}.wasm");
    let file = match home.read(&format!("plugins/{plain}"))? {
        Some(found) if found != component => format!("{name}-{}.wasm", &digest.to_string()[..8]),
        _ => plain,
    };
    // The signature first: at no instant the component stands beside that of another one.
    if let Some(signature) = signature {
        home.write(&format!("plugins/{file}{SIGNATURE_END}"), signature)?;
    }
    home.write(&format!("plugins/{file}"), component)?;
    Ok(Kept { file, by_digest: loaded::keep(home, digest, component, signature)? })
}

/// Writes the table that puts a plugin into a chain.
fn table(about: &About, connection: Option<&str>, file: &str, digest: Digest, standing: &Standing) -> String {
    let description = &about.description;
    // What a plugin calls itself may begin with a dash; in a chain it may not.
    let name = if PluginName::parse(&description.name).is_ok() { &description.name } else { "plugin" };
    let capabilities: Vec<&str> = description.capabilities.iter().map(String::as_str).collect();
    let mut table = format!(
        "[[connections.{}.plugins]]\nname         = \"{name}\"\nfile         = \"{file}\"\nsha256       = \"{digest}\"\n\
         capabilities = {}\nsettings     = {{}}\nlimits       = {{ time = \"20ms\", memory = \"32MiB\" }}\n",
        connection.unwrap_or("CONNECTION"),
        json!(capabilities),
    );
    if description.capabilities.contains("folder") {
        // Both or neither: a table that is pasted is to be taken.
        table.extend([
            "folder       = \"",
            name,
            "\"    # plugins/",
            name,
            " in the home: the files that it may read\n",
        ]);
    }
    if let Some(publisher) = standing.publisher() {
        table.extend(["publisher    = \"", publisher.as_str(), "\"\n"]);
    }
    let settings = about.schema.get("properties").and_then(Value::as_object);
    let required: Vec<&str> = match about.schema.get("required") {
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    for (key, of) in settings.into_iter().flatten() {
        let must = if required.contains(&key.as_str()) { " (must be given)" } else { "" };
        let says = of.get("description").and_then(Value::as_str).unwrap_or_default();
        let line = format!("# settings.{key}{must}: {says}");
        // A plugin's own words: one line each, so that they stay a comment.
        table.push_str(&crate::text::for_terminal(line.trim_end_matches([' ', ':'])));
        table.push('\n');
    }
    table
}
