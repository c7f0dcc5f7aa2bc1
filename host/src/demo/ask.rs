//! One request of the demo: asked over a real socket, and what the audit says of it.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use wardlock_audit::Row;

use super::setup::Demo;
use crate::admin::Failure;

/// A request, and how it must end.
pub struct Ask {
    /// Its key in the report.
    pub name: &'static str,
    /// What happens, for people.
    pub says: &'static str,
    /// Method.
    pub method: &'static str,
    /// Path and query.
    pub path: &'static str,
    /// Body.
    pub body: &'static str,
    /// The decision it must get.
    pub decision: &'static str,
    /// The refusal's code it must get.
    pub code: Option<&'static str>,
    /// A verdict that one of the plugins must give; empty where none is asked.
    pub verdict: &'static str,
}

impl Ask {
    /// Asks, and gathers what the agent saw and what the audit wrote.
    pub async fn run(&self, demo: &Demo) -> Result<Value, Failure> {
        let (response, body) =
            self.send(demo).await.map_err(|error| Failure::no(format!("{}: {error:#}", self.name)))?;
        let header =
            |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let id = header("wardlock-request-id").to_owned();
        let rows = demo.host.audit().show(&id)?;
        let exposed = match header("wardlock-secret-exposed") {
            "false" => json!(false),
            other => json!(other),
        };
        let mut seen = json!({
            "request": format!("{} {}", self.method, self.path),
            "status": response.status().as_u16(),
            "decision": header("wardlock-decision"),
            "code": code(&body),
            "region": null, "api_host": null, "tenant": null, "plugins": [],
            "upstream_status": null, "outcome": null,
            "secret_exposed": exposed,
            "request_id": id,
        });
        rows.iter().for_each(|row| add(&mut seen, row));
        if seen["api_host"].is_null() {
            seen["api_host"] = json!(api_host(demo, &rows));
        }
        Ok(seen)
    }

    /// Returns whether it ended as it must.
    pub fn holds(&self, seen: &Value) -> bool {
        let verdicts = || seen["plugins"].as_array().into_iter().flatten().map(|plugin| &plugin["verdict"]);
        let sent = self.decision == "allow";
        let verdict = self.verdict.is_empty() || verdicts().any(|verdict| verdict == self.verdict);
        let all_allow = self.verdict != "allow" || verdicts().all(|verdict| verdict == "allow");
        seen["decision"] == self.decision
            && (self.code.is_none() || seen["code"] == json!(self.code))
            && verdict
            && all_allow
            && seen["secret_exposed"] == false
            && seen["upstream_status"] == if sent { json!(200) } else { Value::Null }
            && (!sent || seen["outcome"] == "ok")
    }

    async fn send(&self, demo: &Demo) -> anyhow::Result<(Response<()>, Bytes)> {
        let stream = TcpStream::connect(demo.agents()).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let request = Request::builder()
            .method(self.method)
            .uri(self.path)
            .header("host", demo.agents().to_string())
            .header("authorization", format!("Bearer {}", demo.token))
            .body(Full::new(Bytes::from_static(self.body.as_bytes())))?;
        let (head, body) = sender.send_request(request).await?.into_parts();
        Ok((Response::from_parts(head, ()), body.collect().await?.to_bytes()))
    }
}

/// The code of a refusal, in problem+json or in the provider's shape.
fn code(body: &Bytes) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let code =
        body.pointer("/details/code").or_else(|| body.get("code").filter(|_| body.get("request_id").is_some()))?;
    code.as_str().map(str::to_owned)
}

fn add(seen: &mut Value, row: &Row) {
    if let Some(request) = &row.detail.request {
        let plugins = request.plugins.iter().map(|plugin| {
            json!({
                "name": plugin.name, "digest": plugin.sha256, "verdict": plugin.verdict,
                "code": plugin.code, "edits": plugin.edits, "micros": plugin.micros,
            })
        });
        seen["plugins"] = plugins.collect();
        seen["region"] = json!(request.region);
        seen["tenant"] = json!(request.tenant);
        seen["api_host"] = json!(request.host);
        seen["separation"] = json!(request.separation);
    }
    if let Some(answer) = &row.detail.answer {
        seen["upstream_status"] = json!(answer.upstream_status);
        seen["api_host"] = json!(answer.upstream_host);
    }
    if let Some(outcome) = &row.outcome {
        seen["outcome"] = json!(outcome);
    }
}

/// Where a refused request would have gone; nobody knows for one that names another workspace.
fn api_host(demo: &Demo, rows: &[Row]) -> Option<String> {
    let row = rows.first()?;
    let loaded = demo.host.loaded();
    let found = loaded.connection(row.workspace.as_deref()?, row.connection.as_deref()?)?;
    found.connection.host("api").map(str::to_owned)
}
