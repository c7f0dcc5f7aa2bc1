//! What narrows is nothing to accept; everything else is named.

use std::sync::Arc;

use super::*;
use crate::connection::{AgentRules, Hooks, WriteRules};
use crate::id::{AgentName, ConnectionName, GrantName, PluginName, Region, WorkspaceName};
use crate::service::parse;

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn link(name: &str, mode: LinkMode) -> Link {
    Link {
        name: PluginName::parse(name).expect("a name"),
        digest: Digest::of(name.as_bytes()),
        settings: Digest::of(b"{}"),
        mode,
        hooks: Hooks::Request,
        capabilities: names(&["body"]),
    }
}

fn connection() -> Connection {
    let text = include_str!("../../../services/zoho-crm.toml");
    let rules = AgentRules { operations: Some(names(&["records.list"])) };
    let limit = WriteLimit { max_records: Some(5), max_records_a_day: Some(50) };
    Connection {
        workspace: WorkspaceName::parse("acme").expect("a name"),
        name: ConnectionName::parse("zoho").expect("a name"),
        label: "Acme".to_owned(),
        service: Arc::new(parse(text, "zoho-crm.toml").expect("the definition")),
        region: Region::parse("eu").expect("a region"),
        environment: "production".to_owned(),
        grant: GrantName::parse("acme-zoho").expect("a name"),
        tenant: Some("20071234567".to_owned()),
        resources: names(&["Leads", "Contacts"]),
        operations: names(&["records.list", "records.create"]),
        owner: Owner::Workspace,
        params: [("a".to_owned(), "1".to_owned())].into(),
        grant_services: BTreeSet::new(),
        concurrency: None,
        writes: WriteMode::Draft,
        write_rules: WriteRules {
            max_records: 20,
            max_records_a_day: Some(100),
            limits: [("Leads".to_owned(), limit)].into(),
            unattended: names(&["records.create"]),
            approvals: 2,
        },
        chain: vec![link("one", LinkMode::Enforce), link("two", LinkMode::Monitor)],
        agents: [(AgentName::parse("reporter").expect("a name"), rules)].into(),
    }
}

fn beyond(change: impl FnOnce(&mut Connection)) -> Vec<String> {
    let mut changed = connection();
    change(&mut changed);
    Allowance::of(&changed, true, Records::Nothing).beyond(&Allowance::of(&connection(), true, Records::Nothing))
}

type Change = Box<dyn FnOnce(&mut Connection)>;

#[test]
fn what_narrows_or_says_the_same_is_nothing_to_accept() {
    let limit = |records| WriteLimit { max_records: Some(records), max_records_a_day: Some(records) };
    let narrowing: Vec<Change> = vec![
        Box::new(|_| {}),
        Box::new(|of| of.resources = names(&["Leads"])),
        Box::new(|of| of.operations.clear()),
        Box::new(|of| of.writes = WriteMode::Off),
        Box::new(|of| of.write_rules.max_records = 1),
        Box::new(|of| of.write_rules.max_records_a_day = Some(0)),
        Box::new(move |of| {
            of.write_rules.limits = [("Leads".to_owned(), limit(5)), ("Contacts".to_owned(), limit(9))].into();
        }),
        Box::new(|of| of.write_rules.unattended.clear()),
        Box::new(|of| of.write_rules.approvals = 3),
        Box::new(|of| of.chain[1].mode = LinkMode::Enforce),
        Box::new(|of| of.agents.values_mut().for_each(|rules| rules.operations = Some(BTreeSet::new()))),
        Box::new(|of| of.concurrency = Some(2)),
    ];
    for (at, change) in narrowing.into_iter().enumerate() {
        assert_eq!(beyond(change), [""; 0], "change {at}");
    }
    let accepted = Allowance::of(&Connection { tenant: None, ..connection() }, true, Records::Nothing);
    assert_eq!(
        Allowance::of(&connection(), true, Records::Nothing).beyond(&accepted),
        [""; 0],
        "the one that the grant has"
    );
    let all = Connection { resources: names(&["*"]), ..connection() };
    assert_eq!(
        Allowance::of(&connection(), true, Records::Nothing).beyond(&Allowance::of(&all, true, Records::Nothing)),
        [""; 0]
    );
    let users = Connection { resources: names(&["$users"]), ..connection() };
    assert_eq!(
        Allowance::of(&users, true, Records::Nothing).beyond(&Allowance::of(&all, true, Records::Nothing)),
        ["resource `$users`"]
    );
}

#[test]
fn everything_that_may_let_pass_more_is_named() {
    let check = |named: &str, change: &dyn Fn(&mut Connection)| {
        let beyond = beyond(change);
        assert!(beyond.len() == 1 && beyond[0].contains(named), "{named}: {beyond:?}");
    };
    check("another region", &|of| of.region = Region::parse("us").expect("a region"));
    check("another environment", &|of| of.environment = "sandbox".to_owned());
    check("another grant", &|of| of.grant = GrantName::parse("other").expect("a name"));
    check("another tenant", &|of| of.tenant = Some("1".to_owned()));
    check("another tenant", &|of| of.tenant = None);
    check("another owner", &|of| of.owner = Owner::Agent);
    check("another label", &|of| of.label = "Globex".to_owned());
    check("another parameter `a`", &|of| of.params.clear());
    check("another parameter `b`", &|of| drop(of.params.insert("b".to_owned(), "1".to_owned())));
    check("resource `Deals`", &|of| assert!(of.resources.insert("Deals".to_owned())));
    check("resource `*`", &|of| of.resources = names(&["*"]));
    check("operation `records.get`", &|of| assert!(of.operations.insert("records.get".to_owned())));
    check("`writes = \"on\"`", &|of| of.writes = WriteMode::On);
    check("`max_records = 21`", &|of| of.write_rules.max_records = 21);
    check("more records a day", &|of| of.write_rules.max_records_a_day = None);
    check("more records a day", &|of| of.write_rules.max_records_a_day = Some(101));
    check("bound on `Leads`", &|of| of.write_rules.limits.clear());
    check("bound on `Leads`", &|of| of.write_rules.limits.values_mut().for_each(|limit| limit.max_records = None));
    check("unattended operation `x`", &|of| assert!(of.write_rules.unattended.insert("x".to_owned())));
    check("`approvals = 1`", &|of| of.write_rules.approvals = 1);
    check("plugin `two`, which is gone", &|of| drop(of.chain.pop()));
    check("plugin `two`, which is gone or in another place", &|of| of.chain.reverse());
    check("another component", &|of| of.chain[0].digest = Digest::of(b"other"));
    check("plugin `three`, which is new and may `body`", &|of| of.chain.push(link("three", LinkMode::Monitor)));
    check("plugin `three`, which is new", &|of| {
        of.chain.insert(0, Link { capabilities: BTreeSet::new(), ..link("three", LinkMode::Monitor) });
    });
    check("other settings", &|of| of.chain[0].settings = Digest::of(b"other"));
    check("other capabilities", &|of| of.chain[0].capabilities.clear());
    check("agent `reporter`, which is not narrowed", &|of| of.agents.clear());
    check("of agent `reporter`: operation `records.create`", &|of| {
        of.agents
            .values_mut()
            .for_each(|rules| rules.operations = Some(names(&["records.list", "records.create"])));
    });
    // Not even one that says yes is there any more.
    let watched = beyond(|of| of.chain[0].mode = LinkMode::Monitor);
    assert_eq!(watched, ["plugin `one`, which is only watched now"]);
    let silent = Allowance::of(&Connection { chain: Vec::new(), ..connection() }, true, Records::Nothing);
    let speaks = Allowance::of(&connection(), true, Records::Nothing).beyond(&silent);
    assert_eq!(speaks.last().map(String::as_str), Some("a plugin that allows, where none did"), "{speaks:?}");
    // A definition of the operator's own is known by its bytes.
    let own = Allowance::of(&connection(), false, Records::Nothing);
    let [service] = &*own.beyond(&Allowance::of(&connection(), true, Records::Nothing)) else { panic!("one") };
    assert!(
        service.starts_with("another service (`zoho-crm (") && service.ends_with("instead of `zoho-crm`)"),
        "{service}"
    );
    assert_eq!(own.beyond(&own), [""; 0]);
}

#[test]
fn scopes_that_are_listed_widen_where_the_operations_do_not_need_them() {
    let own = Allowance::of(&connection(), true, Records::Nothing);
    let needed: Vec<String> = own.scopes.iter().cloned().collect();
    let listed = |more: &[&str]| {
        let more = more.iter().map(|&scope| scope.to_owned());
        own.clone().asking_for(&needed.iter().cloned().chain(more).collect::<Vec<_>>())
    };
    assert_eq!(
        listed(&["ZohoCRM.users.ALL"]).beyond(&own),
        ["scope `ZohoCRM.users.ALL`, which its operations do not need"]
    );
    assert_eq!(listed(&["a", "b"]).beyond(&listed(&["a"])), ["scope `b`, which its operations do not need"]);
    assert_eq!(own.clone().asking_for(&needed[..1]).beyond(&own), [""; 0], "fewer");
    assert_eq!(own.beyond(&own.clone().asking_for(&needed[..1])), [""; 0], "the operations were accepted");
    // What was listed and accepted stays so where the operations that needed it are gone.
    let narrowed = Connection { operations: names(&["records.list"]), ..connection() };
    let narrowed = Allowance::of(&narrowed, true, Records::Nothing).asking_for(&needed);
    assert_eq!(narrowed.beyond(&own), [""; 0]);
    assert!(listed(&["a"]).in_words().contains(&"further scopes `a`".to_owned()));
    // A row of version 1 says nothing of scopes.
    let mut row = serde_json::to_value(&own).expect("written");
    let members = row.as_object_mut().expect("an object");
    assert!(members.remove("scopes").is_some() && members.remove("further_scopes").is_some());
    let old: Allowance = serde_json::from_value(row).expect("read");
    assert_eq!(own.beyond(&old), [""; 0]);
    assert_eq!(listed(&["a"]).beyond(&old).len(), 1);
}

#[test]
fn what_is_recorded_and_all_of_what_is_new_are_told() {
    let of = |records| Allowance::of(&connection(), true, records);
    assert_eq!(of(Records::Answers).beyond(&of(Records::Requests)), ["a recorder of answers"]);
    assert_eq!(of(Records::Requests).beyond(&of(Records::Nothing)), ["a recorder of requests"]);
    assert_eq!(of(Records::Nothing).beyond(&of(Records::Answers)), [""; 0]);
    let words = of(Records::Requests).in_words().join("; ");
    for told in ["tenant `20071234567`", "resources `Contacts`, `Leads`", "plugin `one` (sha256 ", "a recorder"] {
        assert!(words.contains(told), "{told}: {words}");
    }
}

#[test]
fn an_allowance_is_read_as_it_was_written() {
    let allowance = Allowance::of(&connection(), true, Records::Nothing);
    let text = serde_json::to_string(&allowance).expect("written");
    assert_eq!(serde_json::from_str::<Allowance>(&text).expect("read"), allowance);
}
