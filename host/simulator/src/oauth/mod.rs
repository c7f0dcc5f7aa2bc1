//! Zoho Accounts: consent, token and revoke endpoints (facts section 2).

mod consent;
mod exchange;
mod page;
mod revoke;
mod token;

use http::Method;
use serde_json::{Map, Value, json};

use crate::quirks::RevokeForms;
use crate::region::Region;
use crate::switches::Switches;
use crate::wire::{Call, Reply};
use crate::world::World;

/// Answers on an accounts host.
pub(crate) fn answer(world: &mut World, switches: &mut Switches, call: &Call) -> Reply {
    let forms = switches.revoke_forms;
    match call.path.as_str() {
        "/oauth/v2/auth" => consent::answer(world, switches, call),
        "/oauth/v2/token" => token::answer(world, switches, call),
        "/oauth/v2/token/revoke" if forms != RevokeForms::New => revoke::classic(world, call),
        "/oauth/v2/revoke/token" if forms != RevokeForms::Classic => revoke::authenticated(world, call),
        "/oauth/serverinfo" if call.method == Method::GET => server_info(),
        _ => page::error(404, "The page you are looking for does not exist."),
    }
}

/// Answers on the plain consent listener: the browser needs only the consent page.
pub(crate) fn browser(world: &mut World, switches: &mut Switches, call: &Call) -> Reply {
    match call.path.as_str() {
        "/oauth/v2/auth" => consent::answer(world, switches, call),
        _ => page::error(404, "The page you are looking for does not exist."),
    }
}

/// China is separately run, and absent.
fn server_info() -> Reply {
    let regions = Region::ALL.into_iter().filter(|region| *region != Region::Cn);
    let url = |region: Region| json!(format!("https://{}", region.accounts_host()));
    let locations: Map<String, Value> = regions.map(|region| (region.code().to_owned(), url(region))).collect();
    Reply::json(200, &json!({"result": "success", "locations": locations}))
}
