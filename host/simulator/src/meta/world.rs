//! What Meta knows: apps, users, tokens and the objects of ad accounts. Plain data.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value};

use super::config::{MetaApp, MetaConfig, MetaUser};
use super::handle::MetaMutation;
use super::seed;
use crate::config::TokenKind;
use crate::mint::Mint;
use crate::world::Challenge;

pub(crate) struct World {
    pub mint: Mint,
    pub apps: BTreeMap<String, MetaApp>,
    pub users: Vec<MetaUser>,
    pub codes: Vec<Code>,
    /// Oldest first.
    pub tokens: Vec<Token>,
    /// In the order in which they were made.
    pub objects: Vec<Object>,
    pub mutations: Vec<MetaMutation>,
    /// API calls so far.
    pub calls: u64,
    next_id: u64,
}

/// An authorization code that was not yet redeemed.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    pub value: String,
    pub made_ms: u64,
    pub app: String,
    pub user: String,
    pub redirect_uri: String,
    pub challenge: Option<Challenge>,
    pub scopes: Vec<String>,
}

/// A user's access token; it is its own refresh credential.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub value: String,
    pub app: String,
    /// The user's id.
    pub user: String,
    pub scopes: Vec<String>,
    pub made_ms: u64,
    pub expires_ms: u64,
}

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Ad,
    AdSet,
    Campaign,
    Creative,
    /// A report that was asked for with POST.
    Report,
}

impl Kind {
    /// Returns the kind that an edge lists, such as `adsets`.
    pub fn of_edge(edge: &str) -> Option<Kind> {
        match edge {
            "ads" => Some(Kind::Ad),
            "adsets" => Some(Kind::AdSet),
            "campaigns" => Some(Kind::Campaign),
            "adcreatives" => Some(Kind::Creative),
            _ => None,
        }
    }

    pub fn edge(self) -> &'static str {
        match self {
            Kind::Ad => "ads",
            Kind::AdSet => "adsets",
            Kind::Campaign => "campaigns",
            Kind::Creative => "adcreatives",
            Kind::Report => "insights",
        }
    }
}

/// An object of an ad account.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub id: String,
    pub kind: Kind,
    /// The account's id, without `act_`.
    pub account: String,
    /// The ids of the campaign and the ad set above.
    pub above: Vec<String>,
    pub fields: Map<String, Value>,
}

impl World {
    pub fn shared(config: MetaConfig, mint: Mint) -> Arc<Mutex<World>> {
        let apps = config.apps.into_iter().map(|app| (app.id.clone(), app)).collect();
        Arc::new(Mutex::new(World {
            mint,
            apps,
            users: config.users,
            codes: Vec::new(),
            tokens: Vec::new(),
            objects: seed::objects(),
            mutations: Vec::new(),
            calls: 0,
            next_id: 120_300_000_000_000_000,
        }))
    }

    /// Makes a token in Meta's form.
    pub fn make_token(&self, kind: TokenKind) -> String {
        let prefix = match kind {
            TokenKind::Access | TokenKind::Refresh => "EAA",
            TokenKind::Code => "AQ",
        };
        format!("{prefix}{}", self.mint.token(kind))
    }

    /// Returns an id that no object has.
    pub fn make_id(&mut self) -> String {
        self.next_id += 1;
        self.next_id.to_string()
    }

    /// Returns a token that has not expired.
    pub fn live_token(&self, value: &str) -> Option<&Token> {
        let now = self.mint.now();
        self.tokens.iter().find(|token| token.value == value && token.expires_ms > now)
    }

    pub fn user(&self, id: &str) -> Option<&MetaUser> {
        self.users.iter().find(|user| user.id == id)
    }

    pub fn object(&self, id: &str) -> Option<&Object> {
        self.objects.iter().find(|object| object.id == id)
    }
}
