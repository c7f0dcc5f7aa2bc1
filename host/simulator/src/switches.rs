//! Every quirk of the provider as a typed switch. Defaults are Zoho's usual behaviour; where sources conflict
//! the default is the stricter one.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value};

use crate::google::GoogleSwitches;
use crate::meta::MetaSwitches;
use crate::quirks::{
    ApiAnswer, ApiDomain, BadTokenAnswer, BooksLimit, CallbackField, EchoPart, EchoToken, ExpiresIn, Fault, Pkce,
    RefreshIssue, RevokeForms, Rotation, ScopeAnswer, Throttle, TokenAnswer, WrongRegion,
};
use crate::world::lock;

/// The switches of a running simulator; clones share them.
#[derive(Clone, Debug)]
pub struct SwitchBoard(Arc<Mutex<Switches>>);

impl SwitchBoard {
    pub(crate) fn new(switches: Switches) -> SwitchBoard {
        SwitchBoard(Arc::new(Mutex::new(switches)))
    }

    /// Returns the switches as they are now.
    pub fn read(&self) -> Switches {
        lock(&self.0).clone()
    }

    /// Changes the switches, from the next request on.
    pub fn change<T>(&self, change: impl FnOnce(&mut Switches) -> T) -> T {
        change(&mut lock(&self.0))
    }
}

/// The quirks.
#[expect(clippy::struct_excessive_bools, reason = "each switch is independent of the others")]
#[derive(Clone, Debug)]
pub struct Switches {
    /// Answers for the next token calls, one each, before any of the endpoint's own logic.
    pub token_answers: VecDeque<TokenAnswer>,
    /// An attack: members of every token answer of every provider, in place of those of the same name.
    pub token_answer_extra: Map<String, Value>,
    /// How many token answers went out with them; the simulator counts.
    pub token_answers_extended: usize,
    /// When a refresh token is issued.
    pub refresh_issue: RefreshIssue,
    /// Whether a refresh replaces the refresh token.
    pub rotation: Rotation,
    /// Refresh tokens per user and client before the oldest is evicted. Zoho: 20.
    pub live_refresh_tokens: usize,
    /// Access tokens per refresh token before the oldest is evicted. Zoho: 10, 15 or 30.
    pub live_access_tokens: usize,
    /// The budget of token calls.
    pub throttle: Throttle,
    /// Refresh tokens that a user may make per minute and client; Zoho's product pages say 5. `None`: unlimited.
    pub refresh_tokens_per_minute: Option<usize>,
    /// How long an authorization code lives. Sources say 60 to 180 s.
    pub code_lifetime_ms: u64,
    /// What the wrong data centre answers.
    pub wrong_region: WrongRegion,
    /// How long a device code and its user code live. Zoho: 5 minutes.
    pub device_lifetime_ms: u64,
    /// The least time between two polls with a device code. Documented: 30 s; an `interval` of 5 s was seen in the
    /// field.
    pub device_interval_ms: u64,
    /// Whether PKCE is checked.
    pub pkce: Pkce,
    /// Whether `scope` may be separated by spaces as well as by commas.
    pub space_separates_scopes: bool,
    /// `scope` in the token answer.
    pub scope_answer: ScopeAnswer,
    /// `api_domain` in the token answer.
    pub api_domain: ApiDomain,
    /// `expires_in` in the token answer.
    pub expires_in: ExpiresIn,
    /// Whether the callback ends in `&`.
    pub callback_trailing_ampersand: bool,
    /// `accounts-server` of the callback.
    pub callback_accounts_server: CallbackField,
    /// `location` of the callback.
    pub callback_location: CallbackField,
    /// Whether the error callback carries `state`.
    pub state_on_error: bool,
    /// Which revoke endpoints exist.
    pub revoke_forms: RevokeForms,

    /// Answers for the next calls of any API, one each, before any of the API's own logic.
    pub api_answers: VecDeque<ApiAnswer>,
    /// What a bad token is answered with.
    pub bad_token: BadTokenAnswer,
    /// Whether `Authorization: Bearer` works beside `Zoho-oauthtoken`.
    pub bearer_accepted: bool,
    /// Whether the user's profile has "Zoho CRM API Access", and the user a licence for Desk. Without it every call of
    /// these is a 403.
    pub api_access: bool,
    /// Whether every call of an API is a 429 (without `Retry-After`).
    pub rate_limited: bool,
    /// Which limit such a call to Books has hit.
    pub books_limit: BooksLimit,
    /// The org's credits per day. `X-API-CREDITS-REMAINING` appears once half are used.
    pub credits_limit: u64,
    /// Credits counted as used in addition to the ones really used.
    pub credits_used: u64,
    /// Whether `modules.ALL` is not enough for the mass actions (new OAS), or is (old OAS).
    pub mass_families: bool,
    /// Status of a create of which some records failed: 207, or 201, 200, 202 by version.
    pub partial_create_status: u16,
    /// Status of a create of which all records failed: 400 or 202.
    pub failed_create_status: u16,
    /// Whether, and how, an API's answers echo the received credential.
    pub echo: EchoToken,
    /// What is echoed.
    pub echo_part: EchoPart,
    /// What goes wrong below HTTP with the next token calls, one each.
    pub token_faults: VecDeque<Fault>,
    /// The same for calls of any API.
    pub api_faults: VecDeque<Fault>,

    /// The quirks that only Google has.
    pub google: GoogleSwitches,
    /// The quirks that only Meta has.
    pub meta: MetaSwitches,
}

impl Default for Switches {
    fn default() -> Switches {
        Switches {
            token_answers: VecDeque::new(),
            token_answer_extra: Map::new(),
            token_answers_extended: 0,
            refresh_issue: RefreshIssue::AsZoho,
            rotation: Rotation::Never,
            live_refresh_tokens: 20,
            live_access_tokens: 10,
            throttle: Throttle::default(),
            refresh_tokens_per_minute: None,
            code_lifetime_ms: 60_000,
            wrong_region: WrongRegion::InvalidClient,
            device_lifetime_ms: 300_000,
            device_interval_ms: 30_000,
            pkce: Pkce::Verify,
            space_separates_scopes: true,
            scope_answer: ScopeAnswer::Spaces,
            api_domain: ApiDomain::Normal,
            expires_in: ExpiresIn::Seconds,
            callback_trailing_ampersand: false,
            callback_accounts_server: CallbackField::Normal,
            callback_location: CallbackField::Normal,
            state_on_error: true,
            revoke_forms: RevokeForms::Both,
            api_answers: VecDeque::new(),
            bad_token: BadTokenAnswer::InvalidToken,
            bearer_accepted: true,
            api_access: true,
            rate_limited: false,
            books_limit: BooksLimit::Minute,
            credits_limit: 50_000,
            credits_used: 0,
            mass_families: true,
            partial_create_status: 207,
            failed_create_status: 400,
            echo: EchoToken::Off,
            echo_part: EchoPart::Value,
            token_faults: VecDeque::new(),
            api_faults: VecDeque::new(),
            google: GoogleSwitches::default(),
            meta: MetaSwitches::default(),
        }
    }
}
