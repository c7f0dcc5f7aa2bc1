//! The decision of the bench, as a plugin of Extism: JSON in, JSON out.

use extism_pdk::{FnResult, Json, plugin_fn};

#[path = "../../src/record.rs"]
mod record;

use record::{Answer, Request};

/// Judges a request.
#[plugin_fn]
pub fn on_request(request: Json<Request>) -> FnResult<Json<Answer>> {
    Ok(Json(record::decide(&request.0)))
}
