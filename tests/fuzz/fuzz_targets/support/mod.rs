//! What targets share. Each uses a part of it.
#![allow(dead_code)]

pub mod input;

use std::sync::{Arc, LazyLock};

use wardlock_core::service::{ServiceDefinition, parse};

/// Zoho CRM as it ships.
pub static ZOHO: LazyLock<Arc<ServiceDefinition>> = LazyLock::new(|| {
    let text = include_str!("../../../../host/services/zoho-crm.toml");
    Arc::new(parse(text, "zoho-crm.toml").expect("the definition that ships is good"))
});
