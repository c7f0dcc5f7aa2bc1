//! Meta's Marketing API: a token that renews itself and is exchanged at once, a proof beside it, and links that hold both.

use serde_json::json;
use wardlock::admin::Command;
use wardlock_simulator::{EchoPart, EchoToken};

use super::{ask, ask_with, came, connection, last_call, refused, workspace, write};
use crate::world::{Plan, World};

const ACCOUNT: &str = "111";
const CAMPAIGNS: &str = "/ads/it/v26.0/act_111/campaigns?fields=id%2Cname&limit=20";

async fn start() -> World {
    let more = format!(
        "grant = \"meta\"\ntenant = \"{ACCOUNT}\"\nresources = [\"account\", \"campaigns\", \"insights\", \"$identity\"]\n\
         operations = [\"identity\", \"ads.read\", \"ads.write\"]"
    );
    let workspaces = vec![("ads", workspace("ads", &[connection("it", "meta-ads", &more)]))];
    let plan = Plan { workspaces, services: vec!["meta-ads"], connect: vec!["ads/it"], ..Plan::default() };
    World::start(plan).await
}

#[tokio::test(flavor = "multi_thread")]
async fn meta_ads_is_read_and_written_with_a_proof_and_keeps_to_its_account() {
    let world = start().await;
    // The consent's token is exchanged at once for one that lasts, and that one is used.
    let tokens = world.simulator.meta().access_tokens();
    assert_eq!((world.simulator.token_calls(), tokens.len()), (2, 2));
    let found = came(&ask(&world, "ads", "GET", CAMPAIGNS, "").await, 200, "ok");
    assert_eq!(found["data"].as_array().map(Vec::len), Some(4), "{found}");
    let call = last_call(&world);
    assert_eq!(call.host, "graph.facebook.com");
    assert_eq!(call.header("authorization"), Some(format!("Bearer {}", tokens[1]).as_str()));
    let proof = call.target.split_once("appsecret_proof=").expect("a proof").1.to_owned();
    assert_eq!(proof.len(), 64);

    for path in ["act_222/campaigns", "act_222", "act_999/insights", "ACT_222/campaigns"] {
        let path = format!("/ads/it/v26.0/{path}?fields=id");
        let code = if path.contains("ACT_") { "operation_not_allowed" } else { "tenant_mismatch" };
        refused(&world, "ads", ("GET", &path, "", ""), code).await;
    }
    for (name, value) in
        [("access_token", "EAAother"), ("appsecret_proof", "00"), ("method", "delete"), ("ids", "1")]
    {
        let path = format!("{CAMPAIGNS}&{name}={value}");
        // A token in the query is taken for the agent's own, and there is one already.
        let code = if name == "access_token" { "bad_request" } else { "query_not_allowed" };
        refused(&world, "ads", ("GET", &path, "", ""), code).await;
    }
    // An id does not tell its account.
    let by_id = "/ads/it/v26.0/1201110000010001?fields=name";
    refused(&world, "ads", ("GET", by_id, "", ""), "operation_not_allowed").await;
    let insights = "/ads/it/v26.0/act_111/insights?fields=impressions";
    for body in [json!({"access_token": "EAAother"}), json!({"batch": []}), json!({"method": "delete"})] {
        refused(&world, "ads", ("POST", insights, "", &body.to_string()), "body_type").await;
    }
    refused(&world, "ads", ("POST", insights, "", r#"{"account_id":"222"}"#), "tenant_mismatch").await;
    refused(&world, "ads", ("POST", "/ads/it/v26.0", "", r#"{"batch":"[]"}"#), "envelope_malformed").await;

    for in_200 in [false, true] {
        world.simulator.switches().change(|switches| switches.meta.errors_in_200 = in_200);
        let wrong = "/ads/it/v26.0/act_111/insights?fields=impressions&level=nothing";
        let reply = ask(&world, "ads", "GET", wrong, "").await;
        came(&reply, if in_200 { 200 } else { 400 }, "failed");
        world.simulator.switches().change(|switches| switches.meta.throttled = Some(80004));
        let reply = ask(&world, "ads", "GET", CAMPAIGNS, "").await;
        let said = came(&reply, if in_200 { 200 } else { 400 }, "failed");
        assert_eq!(said["error"]["code"], 80004);
        world.simulator.switches().change(|switches| switches.meta.throttled = None);
    }
    world.simulator.switches().change(|switches| switches.meta.errors_in_200 = false);

    let body = json!({"name": "Written", "objective": "OUTCOME_TRAFFIC", "status": "PAUSED", "special_ad_categories": []});
    let body = body.to_string();
    refused(&world, "ads", ("POST", "/ads/it/v26.0/act_111/campaigns", "", &body), "writes_off").await;
    let (sent, answer) = write(&world, "ads/it", "POST", "/v26.0/act_111/campaigns", &body).await;
    assert_eq!((sent.answer.status(), sent.reading.outcome.as_str()), (200, "ok"), "{answer}");
    let written = world.simulator.meta().mutations();
    assert_eq!(written.iter().map(|one| one.account.as_str()).collect::<Vec<_>>(), [ACCOUNT]);

    for part in [EchoPart::Token, EchoPart::Second] {
        world.simulator.switches().change(|switches| {
            switches.echo = EchoToken::Raw;
            switches.echo_part = part;
        });
        let reply = ask(&world, "ads", "GET", CAMPAIGNS, "").await;
        assert_eq!(reply.header("wardlock-secret-exposed"), Some("redacted"), "{part:?}");
        let text = String::from_utf8_lossy(&reply.bytes).into_owned();
        assert!(!text.contains(&proof) && !text.contains(&tokens[1]), "{part:?}: {text}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn meta_checks_a_form_where_a_dry_run_asks_for_that_and_does_nothing() {
    let world = start().await;
    super::draft(&world, "ads", "it").await;
    let looked = async |path: &str, form: &str| {
        let kind = "Content-Type: application/x-www-form-urlencoded\r\nAccept: application/problem+json\r\n";
        let headers = format!("{kind}Wardlock-Dry-Run: provider\r\n");
        let reply = ask_with(&world, "ads", "POST", path, &headers, form).await;
        reply.json().expect("json")["dry_run"]["provider"].clone()
    };
    let campaigns = "/ads/it/v26.0/act_111/campaigns";
    let form = "name=Checked&objective=OUTCOME_TRAFFIC&status=PAUSED&special_ad_categories=%5B%5D";
    for own in ["", "&execution_options=%5B%22include_recommendations%22%5D"] {
        let said = looked(campaigns, &format!("{form}{own}")).await;
        assert_eq!((&said["asked"], &said["outcome"]), (&json!(true), &json!("ok")), "{said:#}");
        let sent = String::from_utf8(last_call(&world).body).expect("text");
        let decoded: Vec<(String, String)> = url::form_urlencoded::parse(sent.as_bytes()).into_owned().collect();
        let asked = ("execution_options".to_owned(), "[\"validate_only\"]".to_owned());
        assert_eq!(decoded.last(), Some(&asked), "{sent}");
        assert_eq!(decoded.iter().filter(|(name, _)| *name == asked.0).count(), 1, "{sent}");
        assert!(sent.starts_with(form), "{sent}");
    }
    assert_eq!(world.simulator.meta().mutations().len(), 0, "it only checked");
    let said = looked("/ads/it/v26.0/act_111/insights?fields=impressions", "level=ad").await;
    assert!(said["note"].as_str().is_some_and(|note| note.contains("knows of no check")), "{said}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metas_token_is_renewed_by_itself_and_when_it_is_dead_somebody_must_connect_again() {
    let world = start().await;
    came(&ask(&world, "ads", "GET", CAMPAIGNS, "").await, 200, "ok");
    // The provider calls the token stale for once: it still renews itself.
    let stale = wardlock_simulator::ApiAnswer::InvalidToken;
    world.simulator.switches().change(|switches| switches.api_answers.push_back(stale));
    let calls = world.simulator.token_calls();
    came(&ask(&world, "ads", "GET", CAMPAIGNS, "").await, 200, "ok");
    assert_eq!(world.simulator.token_calls(), calls + 1);
    let newest = world.simulator.meta().access_tokens().pop().expect("a token");
    assert_eq!(last_call(&world).header("authorization"), Some(format!("Bearer {newest}").as_str()));

    world.simulator.meta().expire_access_tokens();
    // The renewal just now was forced; a second one so soon is not tried, so the provider's no is passed on.
    let reply = ask(&world, "ads", "GET", CAMPAIGNS, "").await;
    assert_eq!(reply.header("wardlock-outcome"), Some("failed"), "{}", String::from_utf8_lossy(&reply.bytes));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metas_dead_token_asks_for_a_reconnect_and_a_live_one_is_revoked_at_disconnect() {
    let world = start().await;
    world.simulator.meta().expire_access_tokens();
    let reply = ask(&world, "ads", "GET", CAMPAIGNS, "").await;
    let text = String::from_utf8_lossy(&reply.bytes).into_owned();
    assert!(reply.status >= 400 && reply.header("wardlock-outcome") != Some("ok"), "{text}");
    let shown = world.command(Command::ConnectionsList).await.expect("a list");
    assert!(shown[0]["state"].as_str().is_some_and(|state| state.starts_with("needs consent")), "{shown}");

    world.connect("ads/it").await.expect("connected again");
    came(&ask(&world, "ads", "GET", CAMPAIGNS, "").await, 200, "ok");
    let gone = world.command(Command::Disconnect { grant: "meta".to_owned() }).await.expect("disconnected");
    assert_eq!(gone["revoked_at_provider"], "revoked", "{gone}");
    assert_eq!(world.simulator.meta().access_tokens(), Vec::<String>::new(), "nothing of the user's is left");
    let revoked = world.simulator.recordings().pop().expect("a call");
    assert_eq!((revoked.method.as_str(), revoked.path()), ("DELETE", "/v26.0/me/permissions"));
    assert!(revoked.target.contains("appsecret_proof="), "{}", revoked.path());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metas_token_is_renewed_ahead_of_its_end_although_nobody_asks() {
    let world = start().await;
    let calls = world.simulator.token_calls();
    // Sixty days are far: nothing is to be done.
    world.host.renew_ahead().await;
    assert_eq!(world.simulator.token_calls(), calls);

    // A consent whose token ends within the two weeks that the definition says.
    let three_days = 3 * 24 * 60 * 60;
    world.simulator.switches().change(|switches| switches.meta.long_lifetime_seconds = three_days);
    world.connect("ads/it").await.expect("connected");
    let calls = world.simulator.token_calls();
    world.host.renew_ahead().await;
    for _ in 0..200 {
        if world.simulator.token_calls() > calls {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(world.simulator.token_calls(), calls + 1, "it is renewed, once");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metas_errors_come_with_what_they_mean() {
    let world = start().await;
    world.simulator.switches().change(|switches| switches.meta.throttled = Some(17));
    let reply = ask(&world, "ads", "GET", CAMPAIGNS, "").await;
    let help = world.host.services().get("meta-ads").expect("a service").answer.help["17"].clone();
    assert_eq!(reply.header("wardlock-hint"), Some(help.as_str()));
    world.simulator.switches().change(|switches| switches.meta.throttled = None);
    assert_eq!(ask(&world, "ads", "GET", CAMPAIGNS, "").await.header("wardlock-hint"), None);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metas_paging_leads_through_the_proxy_and_is_no_exposure() {
    let world = start().await;
    let mut path = CAMPAIGNS.replace("limit=20", "limit=1");
    let base = format!("http://{}", world.agents);
    let mut seen = Vec::new();
    for _ in 0..8 {
        let reply = ask(&world, "ads", "GET", &path, "").await;
        assert_eq!(reply.header("wardlock-secret-exposed"), Some("false"));
        let page = came(&reply, 200, "ok");
        seen.extend(page["data"].as_array().expect("a page").iter().map(|one| one["id"].clone()));
        let Some(next) = page["paging"]["next"].as_str() else { break };
        assert!(!next.contains("access_token") && !next.contains("appsecret_proof"), "{next}");
        path = next.strip_prefix(&base).expect("a link through the proxy").to_owned();
        assert!(path.starts_with("/ads/it/v26.0/act_111/campaigns?"), "{path}");
    }
    assert_eq!(seen.len(), 4, "every page was reached");
    world.end().await;
}
