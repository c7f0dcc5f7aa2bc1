//! Identity: the org of the token, and its users.

use http::Method;
use serde_json::{Value, json};

use super::route::{invalid_id, only};
use super::{Ctx, Outcome};
use crate::config::{Environment, UserSpec};
use crate::region::Region;
use crate::seed::{environment_zgid, user_id};
use crate::wire::{Call, Reply};

/// Answers `GET /org`.
pub(crate) fn org(ctx: &mut Ctx<'_>, call: &Call) -> Outcome {
    only(call, &Method::GET)?;
    ctx.session.need(&[&["ZohoCRM.org.READ"]])?;
    let org = &ctx.org;
    let (country, currency, symbol) = locale(org.region);
    let row = json!({
        "id": format!("{}00225013", org.zgid), "zgid": org.zgid, "ezgid": hex::encode(&org.zgid),
        "company_name": org.company, "type": org.environment.org_type(), "domain_name": format!("org{}", org.zgid),
        "primary_email": ctx.session.subject.user, "primary_zuid": format!("{}7", org.zgid), "alias": null,
        "country": country, "country_code": country, "time_zone": "Etc/UTC", "currency": currency,
        "currency_symbol": symbol, "iso_code": currency, "currency_locale": "en", "mc_status": false,
        "gapps_enabled": false, "phone": null, "mobile": null, "fax": null, "website": null, "street": null,
        "city": null, "state": null, "zip": null, "employee_count": "50", "description": null, "photo_id": null,
        "license_details": {"paid_type": "enterprise", "paid": true, "paid_expiry": null, "trial_type": null,
            "trial_expiry": null, "trial_action": null, "users_license_purchased": 5, "portal_users": 0},
        "max_per_page": 200, "lite_users_enabled": false, "translation_enabled": false, "zia_portal_id": null,
        "created_time": "2026-01-05T08:00:00+00:00",
    });
    Ok(Reply::json(200, &json!({"org": [row]})))
}

/// Answers `GET /users`; other methods are the admin's and are not played.
pub(crate) fn users(ctx: &mut Ctx<'_>, users: &[UserSpec], call: &Call) -> Outcome {
    only(call, &Method::GET)?;
    ctx.session.need(&[&["ZohoCRM.users.READ"]])?;
    let is_current = |user: &&UserSpec| user.email == ctx.session.subject.user;
    let only_current = call.parameter("type") == Some("CurrentUser");
    let chosen = colleagues(ctx, users).into_iter().filter(|user| !only_current || is_current(user));
    let rows: Vec<Value> = chosen.map(|user| show(ctx, user)).collect();
    if rows.is_empty() {
        return Ok(Reply::empty(204));
    }
    let info = json!({"per_page": 200, "count": rows.len(), "page": 1, "more_records": false});
    Ok(Reply::json(200, &json!({"users": rows, "info": info})))
}

/// Answers `GET /users/{id}`.
pub(crate) fn user(ctx: &mut Ctx<'_>, users: &[UserSpec], call: &Call, id: &str) -> Outcome {
    only(call, &Method::GET)?;
    ctx.session.need(&[&["ZohoCRM.users.READ"]])?;
    let found = colleagues(ctx, users).into_iter().find(|_| id == user_id(&ctx.org.zgid));
    let found = found.ok_or_else(|| invalid_id(1))?;
    Ok(Reply::json(200, &json!({"users": [show(ctx, found)]})))
}

/// Returns the users of the token's org.
fn colleagues<'a>(ctx: &Ctx<'_>, users: &'a [UserSpec]) -> Vec<&'a UserSpec> {
    let org = &ctx.org;
    let is_of_org =
        |user: &&UserSpec| user.region == org.region && environment_zgid(&user.zgid, org.environment) == org.zgid;
    users.iter().filter(is_of_org).collect()
}

fn show(ctx: &Ctx<'_>, user: &UserSpec) -> Value {
    let (country, _, _) = locale(user.region);
    json!({
        "id": user_id(&ctx.org.zgid), "email": user.email, "first_name": user.first_name,
        "last_name": user.last_name, "full_name": format!("{} {}", user.first_name, user.last_name),
        "zuid": format!("{}7", user.zgid), "status": "active", "confirm": true, "country": country,
        "country_locale": "en_US", "locale": "en_US", "language": "en_US", "time_zone": "Etc/UTC",
        "time_format": "HH:mm", "date_format": "dd/MM/yyyy", "microsoft": false, "personal_account": true,
        "Isonline": false, "sandboxDeveloper": ctx.org.environment == Environment::Sandbox,
        "role": {"name": "CEO", "id": "5000000000000026005"},
        "profile": {"name": "Administrator", "id": "5000000000000026011"},
        "created_time": "2026-01-05T08:00:00+00:00", "Modified_Time": "2026-01-05T08:00:00+00:00",
    })
}

fn locale(region: Region) -> (&'static str, &'static str, &'static str) {
    match region {
        Region::Us => ("US", "USD", "$"),
        Region::Eu => ("DE", "EUR", "€"),
        Region::In => ("IN", "INR", "₹"),
        Region::Au => ("AU", "AUD", "$"),
        Region::Jp => ("JP", "JPY", "¥"),
        Region::Cn => ("CN", "CNY", "¥"),
        Region::Ca => ("CA", "CAD", "$"),
        Region::Sa => ("SA", "SAR", "﷼"),
    }
}
