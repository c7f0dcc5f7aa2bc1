//! Zoho Accounts: consent, token, device and revoke endpoints (facts section 2).

mod consent;
mod device;
mod exchange;
mod extra;
pub(crate) mod page;
mod revoke;
mod token;

pub(crate) use exchange::verifies;
pub(crate) use extra::extended;
pub(crate) use token::Parameters;

use http::Method;
use serde_json::{Map, Value, json};

use crate::quirks::RevokeForms;
use crate::region::Region;
use crate::session;
use crate::switches::Switches;
use crate::wire::{Call, Reply};
use crate::world::World;

/// Answers on an accounts host.
pub(crate) fn answer(world: &mut World, switches: &mut Switches, call: &Call) -> Reply {
    let forms = switches.revoke_forms;
    match call.path.as_str() {
        "/oauth/v2/auth" => consent::answer(world, switches, call),
        "/oauth/v2/token" => token::answer(world, switches, call),
        "/oauth/v3/device/code" => device::code(world, switches, call),
        "/oauth/v3/device/token" => device::token(world, switches, call),
        "/oauth/v2/token/revoke" if forms != RevokeForms::New => revoke::classic(world, call),
        "/oauth/v2/revoke/token" if forms != RevokeForms::Classic => revoke::authenticated(world, call),
        "/oauth/user/info" if call.method == Method::GET => user_info(world, switches, call),
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

/// Says who has consented, to whoever has that person's token.
fn user_info(world: &World, switches: &Switches, call: &Call) -> Reply {
    let refused = |cause: &str| Reply::json(401, &json!({"cause": cause, "response": "error"}));
    let Ok(session) = session::open(world, switches, call) else { return refused("INVALID_OAUTHTOKEN") };
    if !session.is_granted(&[&["AaaServer.profile.READ"]]) {
        return refused("INVALID_OAUTHSCOPE");
    }
    let Some(user) = world.user(&session.subject.user) else { return refused("INVALID_OAUTHTOKEN") };
    // The id is a number there.
    let zuid = format!("{}7", user.zgid).parse::<u64>().unwrap_or_default();
    let name = format!("{} {}", user.first_name, user.last_name);
    Reply::json(
        200,
        &json!({"ZUID": zuid, "Email": user.email, "First_Name": user.first_name, "Last_Name": user.last_name,
            "Display_Name": name}),
    )
}

/// China is separately run, and absent.
fn server_info() -> Reply {
    let regions = Region::ALL.into_iter().filter(|region| *region != Region::Cn);
    let url = |region: Region| json!(format!("https://{}", region.accounts_host()));
    let locations: Map<String, Value> = regions.map(|region| (region.code().to_owned(), url(region))).collect();
    Reply::json(200, &json!({"result": "success", "locations": locations}))
}
