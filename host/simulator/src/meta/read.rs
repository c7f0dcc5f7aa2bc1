//! Reading: the user, ad accounts, objects, and their edges in pages.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::session::Given;
use super::world::{Kind, Object, Token, World};
use super::{Host, NEWEST, insights, seed};
use crate::switches::Switches;

/// Answers a GET.
pub(crate) fn answer(
    world: &World,
    switches: &Switches,
    token: &Token,
    parts: &[&str],
    given: &Given,
) -> Result<Value, Failure> {
    let reader = Reader { switches, token, given, path: parts.join("/") };
    if let ["me"] = parts {
        let user = world.user(&token.user).ok_or_else(Failure::bad_token)?;
        return Ok(json!({"id": user.id, "name": user.name}));
    }
    if !token.scopes.iter().any(|scope| scope == "ads_read" || scope == "ads_management") {
        return Err(Failure::denied("Ad account owner has NOT grant ads_management or ads_read permission"));
    }
    match parts {
        ["me", "adaccounts"] => {
            let accounts = world.user(&token.user).into_iter().flat_map(|user| &user.accounts);
            let all = accounts.filter_map(|account| seed::account(account));
            Ok(reader.page(&all.filter_map(|account| account.as_object().cloned()).collect::<Vec<_>>()))
        }
        [node] => Ok(Value::Object(reader.chosen(&node_fields(world, token, node)?))),
        [node, "insights"] => {
            node_fields(world, token, node)?;
            Ok(reader.page(&insights::rows(world, node, given)?))
        }
        [node, edge] => {
            node_fields(world, token, node)?;
            let kind = Kind::of_edge(edge).ok_or_else(|| Failure::unknown_path(edge))?;
            let all = world.objects.iter().filter(|object| object.kind == kind && is_under(object, node));
            Ok(reader.page(&all.map(|object| object.fields.clone()).collect::<Vec<_>>()))
        }
        _ => Err(Failure::unknown_path(&reader.path)),
    }
}

/// Whether an object is of this account, campaign or ad set.
pub(crate) fn is_under(object: &Object, node: &str) -> bool {
    let of_account = node.strip_prefix("act_") == Some(object.account.as_str());
    of_account || object.above.iter().any(|above| above == node)
}

/// Returns the account of a node, if the user may see it.
pub(crate) fn account_of(world: &World, token: &Token, node: &str, method: &str) -> Result<String, Failure> {
    let mine = |account: &str| {
        world.user(&token.user).is_some_and(|user| user.accounts.iter().any(|known| known == account))
    };
    let account = match node.strip_prefix("act_") {
        Some(account) => Some(account.to_owned()),
        None => world.object(node).map(|object| object.account.clone()),
    };
    account.filter(|account| mine(account)).ok_or_else(|| Failure::unknown_object(method, node))
}

fn node_fields(world: &World, token: &Token, node: &str) -> Result<Map<String, Value>, Failure> {
    let account = account_of(world, token, node, "get")?;
    let fields = match world.object(node) {
        Some(object) => Some(object.fields.clone()),
        None => seed::account(&account).and_then(|account| account.as_object().cloned()),
    };
    fields.ok_or_else(|| Failure::unknown_object("get", node))
}

/// What shapes an answer.
struct Reader<'a> {
    switches: &'a Switches,
    token: &'a Token,
    given: &'a Given,
    path: String,
}

impl Reader<'_> {
    /// Returns the fields asked for; without `fields` there is only the id.
    fn chosen(&self, all: &Map<String, Value>) -> Map<String, Value> {
        let asked = self.given.text("fields").split(',').map(str::trim).filter(|name| !name.is_empty());
        let names = asked.chain(["id"]);
        names.filter_map(|name| Some((name.to_owned(), all.get(name)?.clone()))).collect()
    }

    /// Returns a page, with the token in the address of the next one.
    fn page(&self, all: &[Map<String, Value>]) -> Value {
        let number = |name: &str| {
            self.given.value(name).and_then(|value| match value {
                Value::String(text) => text.parse::<usize>().ok(),
                value => value.as_u64().and_then(|number| usize::try_from(number).ok()),
            })
        };
        let limit = number("limit").unwrap_or(self.switches.meta.page_objects).max(1);
        let start = place_of(self.given.text("after")).unwrap_or(0).min(all.len());
        let end = (start + limit).min(all.len());
        let has_id = |row: &Map<String, Value>| row.contains_key("id");
        let shown = |row: &Map<String, Value>| if has_id(row) { self.chosen(row) } else { row.clone() };
        let data: Vec<Map<String, Value>> = all[start..end].iter().map(shown).collect();
        if data.is_empty() {
            return json!({"data": []});
        }
        let mut paging = json!({"cursors": {"before": cursor(start), "after": cursor(end)}});
        if end < all.len() {
            paging["next"] = json!(self.address(("after", &cursor(end))));
        }
        if start > 0 {
            paging["previous"] = json!(self.address(("before", &cursor(start))));
        }
        json!({"data": data, "paging": paging})
    }

    fn address(&self, place: (&str, &str)) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("access_token", &self.token.value);
        for (name, value) in &self.given.0 {
            if !matches!(name.as_str(), "access_token" | "after" | "before" | "method")
                && let Some(value) = value.as_str()
            {
                query.append_pair(name, value);
            }
        }
        query.append_pair(place.0, place.1);
        format!("https://{}/v{NEWEST}.0/{}?{}", Host::Graph.name(), self.path, query.finish())
    }
}

fn cursor(place: usize) -> String {
    STANDARD.encode(format!("at:{place}"))
}

fn place_of(cursor: &str) -> Option<usize> {
    let bytes = STANDARD.decode(cursor).ok()?;
    std::str::from_utf8(&bytes).ok()?.strip_prefix("at:")?.parse().ok()
}
