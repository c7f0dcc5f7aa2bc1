//! From a call on an API host to its product, and what all products have in common: scripted answers, faults, the echo
//! and the session.

use crate::echo;
use crate::quirks::{ApiAnswer, BadTokenAnswer, EchoPart};
use crate::region::Front;
use crate::session::{self, Session};
use crate::switches::Switches;
use crate::wire::{Call, Reply};
use crate::world::{Org, World};
use crate::{books, crm, desk, marketing, workdrive};

/// A reply, or the error that ends the call.
pub(crate) type Outcome = Result<Reply, Reply>;

/// What a call of any product can run into; each has its own words for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// No token came.
    NoToken,
    /// A token came that is not live here.
    BadToken(BadTokenAnswer),
    /// The token's scopes do not allow the call.
    ScopeMismatch,
    /// Too many calls.
    TooMany,
    /// The provider's own fault.
    Internal,
}

/// What a handler of a product works with.
pub(crate) struct Visit<'a> {
    pub org: &'a mut Org,
    pub switches: &'a Switches,
    pub session: &'a Session,
    pub call: &'a Call,
    pub now: u64,
}

/// Whose API is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Product {
    Crm,
    Books,
    Desk,
    WorkDrive,
    Marketing,
}

/// Answers on an API or upload host.
pub(crate) fn answer(world: &mut World, switches: &mut Switches, call: &Call) -> Reply {
    let product = Product::of(call);
    let next = switches.api_answers.pop_front().unwrap_or(ApiAnswer::Normal);
    let scripted = scripted(product, next, switches);
    let reply = scripted.unwrap_or_else(|| serve(product, world, switches, call).unwrap_or_else(|error| error));
    let part = match switches.echo_part {
        EchoPart::Value => call.header("authorization"),
        EchoPart::Token => session::token_of(call, true),
        EchoPart::Second => None,
    };
    echo::apply(reply, switches.echo, part).with_fault(switches.api_faults.pop_front())
}

/// Returns the reply that a test has put into the queue, if it is not "as usual".
fn scripted(product: Product, answer: ApiAnswer, switches: &Switches) -> Option<Reply> {
    let trouble = |trouble| Some(product.trouble(trouble, switches));
    match answer {
        ApiAnswer::Normal => None,
        ApiAnswer::RateLimited => trouble(Trouble::TooMany),
        ApiAnswer::InvalidToken => trouble(Trouble::BadToken(BadTokenAnswer::InvalidToken)),
        ApiAnswer::AuthenticationFailure => trouble(Trouble::BadToken(BadTokenAnswer::AuthenticationFailure)),
        ApiAnswer::Internal => trouble(Trouble::Internal),
        ApiAnswer::Maintenance => Some(Reply::maintenance()),
        ApiAnswer::Bytes(bytes) => Some(Reply::bytes(bytes)),
        ApiAnswer::Raw { status, content_type, body } => Some(Reply::new(status, &content_type, body)),
    }
}

fn serve(product: Product, world: &mut World, switches: &Switches, call: &Call) -> Outcome {
    let handler: fn(&mut Visit<'_>) -> Outcome = match product {
        Product::Crm => return crm::answer(world, switches, call),
        Product::Books => books::answer,
        Product::Desk => desk::answer,
        Product::WorkDrive => workdrive::answer,
        Product::Marketing => marketing::answer,
    };
    let refuse = |trouble| product.trouble(trouble, switches);
    let session = session::open(world, switches, call).map_err(refuse)?;
    if switches.rate_limited {
        return Err(refuse(Trouble::TooMany));
    }
    let now = world.now();
    let org = world.org_of(&session.subject).ok_or_else(|| refuse(Trouble::BadToken(switches.bad_token)))?;
    handler(&mut Visit { org, switches, session: &session, call, now })
}

impl Product {
    fn of(call: &Call) -> Product {
        match call.place.front {
            Front::Desk => Product::Desk,
            Front::Marketing => Product::Marketing,
            Front::Gateway if call.path.starts_with("/books/") => Product::Books,
            Front::Gateway if call.path.starts_with("/workdrive/") => Product::WorkDrive,
            Front::Gateway => Product::Crm,
        }
    }

    fn trouble(self, trouble: Trouble, switches: &Switches) -> Reply {
        match self {
            Product::Crm => crm::trouble(trouble),
            Product::Books => books::trouble(trouble, switches.books_limit),
            Product::Desk => desk::trouble(trouble),
            Product::WorkDrive => workdrive::trouble(trouble),
            Product::Marketing => marketing::trouble(trouble),
        }
    }
}
