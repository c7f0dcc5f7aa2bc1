//! Rows are found by everything that they name, through the index as without it.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use wardlock_core::answer::Outcome;
use wardlock_core::id::Digest;
use wardlock_core::refusal::{Code, Refusal};

use super::support::{
    Home, classified, connection, finished, id, read_permit, refusal_of, request, verify_copy, write_permit,
};
use crate::index::{CHUNK, chunk_of};
use crate::{Act, Against, Audit, Filter, Kind, Refused, Row, Separation, postings};

/// Makes a log over two chunks and a half, in which requests begin in one chunk and end in another.
async fn log(home: &Home) -> Audit {
    let audit = home.open();
    let (_receipt, guard) =
        audit.intend(&read_permit(1), Separation::None, Duration::ZERO, &[]).await.expect("recorded");
    let (_receipt, late) =
        audit.intend(&write_permit(2), Separation::None, Duration::ZERO, &[]).await.expect("recorded");
    let refusal = Refusal::new(Code::UnknownOperation, "operations", "x");
    for row in 0..CHUNK * 5 / 2 {
        let refused = Refused::new(id(3), &refusal).by(["acme", "other"][usize::from(row % 7 == 0)], agent(row));
        let refused = match row % 50 {
            0 => refused.on(&connection()).asking(&classified(request(
                "GET",
                &format!("/v1/records/Leads/{row}"),
                b"",
            ))),
            _ => refused,
        };
        audit.refuse(refused).await.expect("recorded");
    }
    guard.finish(finished(Outcome::Failed)).await.expect("recorded");
    let (refusal, verdicts) = refusal_of(
        4,
        wardlock_core::plugin::Verdict::Deny(wardlock_core::plugin::Reason {
            code: "too_much".to_owned(),
            message: String::new(),
            hint: None,
            retry_after_seconds: None,
            attributes: Vec::new(),
        }),
    );
    audit.refuse(Refused::new(id(4), &refusal).verdicts(verdicts)).await.expect("recorded");
    audit.act(Act::admin("ada", "agent.add", "reporter", "ok").in_workspace("acme")).await.expect("recorded");
    late.finish(finished(Outcome::Partial)).await.expect("recorded");
    audit
}

fn agent(row: u64) -> String {
    if row == 1500 { "rare".to_owned() } else { format!("agent-{}", row % 3) }
}

fn filters() -> Vec<(&'static str, Filter)> {
    let text = |text: &str| Some(text.to_owned());
    let all = Filter::newest(usize::MAX);
    let guard = Digest::of(b"component").to_string();
    vec![
        ("everything", all.clone()),
        ("rare agent", Filter { agent: text("rare"), ..all.clone() }),
        ("agent", Filter { agent: text("agent-2"), ..all.clone() }),
        ("workspace and agent", Filter { workspace: text("other"), agent: text("agent-2"), ..all.clone() }),
        ("connection", Filter { connection: text("crm"), ..all.clone() }),
        ("operation", Filter { operation: text("records.update"), ..all.clone() }),
        ("effect", Filter { effect: text("write"), ..all.clone() }),
        ("decision", Filter { decision: text("allow"), ..all.clone() }),
        ("kind", Filter { kind: Some(Kind::Admin), ..all.clone() }),
        ("outcome", Filter { outcome: text("failed"), ..all.clone() }),
        ("late outcome", Filter { outcome: text("partial"), ..all.clone() }),
        ("outcome and resource", Filter { outcome: text("failed"), resource: text("Leads"), ..all.clone() }),
        ("late outcome and tenant", Filter { outcome: text("partial"), tenant: text("org-1"), ..all.clone() }),
        ("resource", Filter { resource: text("Leads"), ..all.clone() }),
        ("region", Filter { region: text("eu"), ..all.clone() }),
        ("tenant", Filter { tenant: text("org-1"), ..all.clone() }),
        ("service", Filter { service: text("small-crm"), ..all.clone() }),
        ("plugin", Filter { plugin: text("guard"), ..all.clone() }),
        ("plugin's digest", Filter { plugin: Some(guard), ..all.clone() }),
        ("code", Filter { code: text("too_much"), ..all.clone() }),
        ("act", Filter { act: text("agent.add"), ..all.clone() }),
        ("value", Filter { value: text("planted-id"), ..all.clone() }),
        ("value in a chunk", Filter { value: text("1050"), ..all.clone() }),
        ("nothing", Filter { agent: text("nobody"), ..all }),
    ]
}

/// What a filter means, said once more and without any index.
fn fits(audit: &Audit, all: &[Row], row: &Row, filter: &Filter) -> bool {
    let is = |asked: &Option<String>, has: &Option<String>| asked.is_none() || asked == has;
    let request = row.detail.request.clone().unwrap_or_default();
    let refusal = row.detail.refusal.as_ref();
    let outcome = row.outcome.clone().or_else(|| {
        let ended = all.iter().find(|other| other.closes == Some(row.sequence));
        ended.and_then(|ended| ended.outcome.clone())
    });
    let keyed = filter.value.as_ref().map(|value| audit.keyed(value));
    let values = || request.parameters.iter().chain(&request.query).map(|value| value.keyed.clone());
    is(&filter.workspace, &row.workspace)
        && is(&filter.connection, &row.connection)
        && is(&filter.agent, &row.agent)
        && is(&filter.operation, &row.operation)
        && is(&filter.effect, &row.effect)
        && is(&filter.decision, &row.decision)
        && filter.kind.is_none_or(|kind| kind == row.kind)
        && is(&filter.outcome, &outcome)
        && is(&filter.service, &request.service)
        && is(&filter.region, &request.region)
        && is(&filter.tenant, &request.tenant)
        && filter.resource.as_ref().is_none_or(|asked| request.resources.contains(asked))
        && filter.plugin.as_ref().is_none_or(|asked| {
            request.plugins.iter().any(|plugin| plugin.name == *asked || plugin.sha256 == *asked)
        })
        && filter.code.as_ref().is_none_or(|asked| {
            refusal.is_some_and(|refusal| refusal.code == *asked || refusal.plugin_code.as_ref() == Some(asked))
        })
        && is(&filter.act, &row.detail.act.as_ref().map(|act| act.what.clone()))
        && (keyed.is_none() || values().any(|value| value == keyed))
}

fn places(rows: &[Row]) -> Vec<u64> {
    rows.iter().map(|row| row.sequence).collect()
}

async fn wait_for_index(home: &Home, rows: u64) {
    let indexed = || home.database().query_row("SELECT sequence FROM indexed", [], |row| row.get::<_, i64>(0));
    while u64::try_from(indexed().expect("a number")).expect("small") < rows {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn every_filter_finds_what_reading_every_row_finds() {
    let home = Home::new();
    let audit = log(&home).await;
    wait_for_index(&home, 2 * CHUNK).await;
    assert!(audit.verify(&Against::default()).expect("walked").is_sound());
    let all = audit.list(&Filter::newest(usize::MAX)).expect("rows");
    assert!(chunk_of(all.len() as u64) == 2, "the log is over two chunks and a half: {}", all.len());
    for (name, filter) in filters() {
        let expect: Vec<u64> =
            all.iter().filter(|row| fits(&audit, &all, row, &filter)).map(|row| row.sequence).collect();
        assert_eq!(places(&audit.list(&filter).expect("rows")), expect, "{name}");
        assert_eq!(expect.is_empty(), name == "nothing", "{name} finds something: {expect:?}");

        let (mut backwards, mut forwards) = (Vec::new(), Vec::new());
        let size = (expect.len() / 3).max(1);
        loop {
            let before = backwards.first().copied().or(Some(u64::MAX));
            let page = audit.list(&Filter { before, limit: size, ..filter.clone() }).expect("rows");
            if page.is_empty() {
                break;
            }
            backwards.splice(0..0, places(&page));
        }
        loop {
            let after = Some(forwards.last().copied().unwrap_or(0));
            let page = audit.list(&Filter { after, limit: size, ..filter.clone() }).expect("rows");
            if page.is_empty() {
                break;
            }
            forwards.extend(places(&page));
        }
        assert_eq!(backwards, expect, "{name}, page by page backwards");
        assert_eq!(forwards, expect, "{name}, page by page forwards");
    }
    let of_time = (Some(all[1200].at_ms), Some(all[1300].at_ms));
    for agent in [None, Some("agent-1".to_owned())] {
        let filter = Filter { since_ms: of_time.0, until_ms: of_time.1, agent, ..Filter::newest(usize::MAX) };
        let expect = all[1200..1300].iter().filter(|row| filter.agent.is_none() || row.agent == filter.agent);
        let expect: Vec<u64> = expect.map(|row| row.sequence).collect();
        assert_eq!(places(&audit.list(&filter).expect("rows")), expect);
    }
}

/// Makes a file one of format 3, which had an entry for each row.
pub(super) fn as_format_3(path: &Path) {
    let database = Connection::open(path).expect("a database");
    for chunk in 0..=2 {
        for (word, places) in postings::of_chunk(&database, chunk).expect("read") {
            for sequence in places.sequences(chunk) {
                let sql = "INSERT INTO terms (chunk, word, sequence) VALUES (?1, ?2, ?3)";
                database.execute(sql, (chunk, word, sequence)).expect("written");
            }
        }
    }
    database.execute_batch("DROP TABLE postings; PRAGMA user_version = 3").expect("written");
}

#[tokio::test]
async fn what_format_3_indexed_is_found_beside_what_is_indexed_since() {
    let home = Home::new();
    let audit = log(&home).await;
    wait_for_index(&home, 2 * CHUNK).await;
    drop(audit);
    as_format_3(&home.path());
    let copy = verify_copy(&home.path(), &Against::default()).expect("walked");
    assert!(copy.is_sound(), "{copy:?}");
    let audit = home.open();
    let fill = 3 * CHUNK - audit.count().expect("counted");
    for _ in 0..fill {
        audit.act(Act::admin("ada", "agent.add", "x", "ok")).await.expect("recorded");
    }
    wait_for_index(&home, 3 * CHUNK).await;
    let count = |table| home.database().query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0));
    let (terms, postings): (i64, i64) = (count("terms").expect("counted"), count("postings").expect("counted"));
    assert!(terms > 0 && postings > 0, "{terms} and {postings}");
    let verified = audit.verify(&Against::default()).expect("walked");
    assert!(verified.is_sound(), "{verified:?}");
    let all = audit.list(&Filter::newest(usize::MAX)).expect("rows");
    for (name, filter) in filters() {
        let expect: Vec<u64> =
            all.iter().filter(|row| fits(&audit, &all, row, &filter)).map(|row| row.sequence).collect();
        assert_eq!(places(&audit.list(&filter).expect("rows")), expect, "{name}");
    }
}

#[tokio::test]
async fn rows_of_a_time_are_found_when_the_clock_jumped_back() {
    let home = Home::new();
    let audit = home.open();
    let now = home.now.load(std::sync::atomic::Ordering::Relaxed);
    for time in [now, now + 5000, now - 5000, now + 1] {
        home.now.store(time, std::sync::atomic::Ordering::Relaxed);
        audit.act(Act::admin("ada", "reload", "x", "ok")).await.expect("recorded");
    }
    let filter = Filter { since_ms: Some(now), until_ms: Some(now + 10), ..Filter::default() };
    assert_eq!(places(&audit.list(&filter).expect("rows")), [1, 4]);
    let filter = Filter { act: Some("reload".to_owned()), ..filter };
    assert_eq!(places(&audit.list(&filter).expect("rows")), [1, 4]);
}

#[tokio::test]
async fn an_index_that_hides_a_row_or_shows_another_is_found() {
    for sql in [
        "DELETE FROM postings WHERE chunk = 1 AND word = (SELECT max(word) FROM postings WHERE chunk = 1)",
        "UPDATE postings SET places = zeroblob(128) WHERE chunk = 0 AND word = (SELECT min(word) FROM postings WHERE chunk = 0)",
        "UPDATE postings SET places = CAST(places || x'01' AS BLOB) WHERE chunk = 0 AND length(places) = 128",
        "INSERT INTO postings VALUES (0, 4711, x'0006')",
        "INSERT INTO postings VALUES (9, 4711, x'0006')",
        "INSERT INTO terms VALUES (0, 4711, 7)",
        "INSERT INTO terms VALUES (9, 4711, 9999)",
    ] {
        let home = Home::new();
        let audit = log(&home).await;
        wait_for_index(&home, 2 * CHUNK).await;
        drop(audit);
        home.tamper(sql);
        let faults = verify_copy(&home.path(), &Against::default()).expect("walked").faults;
        let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert!(told.len() == 1 && told[0].contains("not in the index as they say"), "{sql}: {told:?}");
    }
}
