//! `wardlock demo`: the whole product on one machine with nothing to set up. The simulator stands in for the
//! provider; everything else is what an operator runs: home, vault, consent, plugins, proxy, audit.

mod ask;
mod clients;
mod setup;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::{Value, json};
use wardlock_egress::vault::KeySource;

use crate::admin::Failure;
use crate::gate::Gate;
use crate::home::Home;
use crate::host::Host;
use crate::serve::Stop;
use crate::telemetry::Spans;

pub use setup::told;

use ask::Ask;
use setup::Demo;

/// Runs the demo: once and checked, or until ctrl-C.
pub async fn run(once: bool, json: bool) -> Result<ExitCode, Failure> {
    let mut stop = Stop::listen()?;
    tokio::select! {
        ended = run_until_stopped(once, json) => ended,
        // Dropped where it stands; its folder goes with it.
        () = stop.asked() => Ok(ExitCode::SUCCESS),
    }
}

async fn run_until_stopped(once: bool, json: bool) -> Result<ExitCode, Failure> {
    let demo = Demo::start(once).await?;
    let report = show_all(&demo).await?;
    let ok = report["ok"] == true;
    if json {
        setup::data(&report);
    } else {
        crate::cli::text(&told(&report));
    }
    if !once {
        setup::invite(&demo);
        std::future::pending::<()>().await;
    }
    demo.stop().await;
    Ok(ExitCode::from(u8::from(!ok)))
}

/// What is asked, and how each must end for the demo to pass.
const CASES: [Ask; 4] = [
    Ask {
        name: "allowed_read",
        says: "an agent reads three leads",
        method: "GET",
        path: "/acme/zoho/crm/v8/Leads?fields=Last_Name,Company&per_page=3",
        body: "",
        decision: "allow",
        code: None,
        verdict: "allow",
    },
    Ask {
        name: "shaped_read",
        says: "it asks for phone numbers too; field-mask takes the field out",
        method: "GET",
        path: "/acme/zoho/crm/v8/Leads?fields=Last_Name,Phone&per_page=3",
        body: "",
        decision: "allow",
        code: None,
        verdict: "shape",
    },
    Ask {
        name: "refused_write",
        says: "it tries to create a lead; writes are off",
        method: "POST",
        path: "/acme/zoho/crm/v8/Leads",
        body: r#"{"data":[{"Last_Name":"Written by an agent"}]}"#,
        decision: "deny",
        code: Some("writes_off"),
        verdict: "",
    },
    Ask {
        name: "refused_foreign_workspace",
        says: "it asks for another client's workspace",
        method: "GET",
        path: "/globex/zoho/crm/v8/Leads?fields=Last_Name",
        body: "",
        decision: "deny",
        code: Some("workspace_mismatch"),
        verdict: "",
    },
];

async fn show_all(demo: &Demo) -> Result<Value, Failure> {
    let mut report = json!({});
    let mut ok = true;
    for ask in &CASES {
        let seen = ask.run(demo).await?;
        ok &= ask.holds(&seen);
        report[ask.name] = seen;
    }
    let sound =
        demo.host.audit().verify(&wardlock_audit::Against::default()).is_ok_and(|verified| verified.is_sound());
    let rows = demo.host.audit().count().map_err(Failure::no)?;
    let token_calls = demo.simulator.token_calls();
    ok &= token_calls == 1 && sound;
    report["token_calls"] = json!(token_calls);
    report["audit"] = json!({ "rows": rows, "verified": sound });
    report["ok"] = json!(ok);
    Ok(report)
}

/// Serves a simulator's home until told to stop.
pub async fn serve_simulator(
    home: Home,
    unlock: &KeySource,
    dashboard: Option<SocketAddr>,
    spans: Option<Spans>,
) -> Result<(), Failure> {
    if !home.is_simulator() {
        setup::mark_new_home(&home, unlock)?;
    }
    let simulator = Arc::new(setup::start_simulator().await?);
    let host = Host::open(home, unlock, setup::world(&simulator)?, "serve --simulator").await?;
    clients::add(&simulator, host.config().callback());
    clients::introduce();
    crate::serve::run(Gate::of(host), dashboard, spans).await
}
