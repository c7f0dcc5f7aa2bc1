//! What plugins take of their quotas while one request is judged: held in the state, and written down when it is allowed.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use wardlock_audit::Took;
use wardlock_core::id::PluginName;
use wardlock_core::plugin::quota::{QuotaFault, Taken, Window};
use wardlock_core::refusal::{Code, Refusal};
use wardlock_sandbox::Quotas;
use wardlock_state::{Reservation, TakenOf};

/// What a take is answered with, once it is.
type Answer<'a> = Pin<Box<dyn Future<Output = Result<Taken, QuotaFault>> + Send + 'a>>;

/// The quotas of one decision. Dropped without [`Taking::commit`], all that was taken is given back.
pub struct Taking(Mutex<Option<Reservation>>);

impl Taking {
    /// Begins with a reservation in which nothing was taken.
    pub fn new(reservation: Reservation) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Some(reservation))))
    }

    /// Writes down what was taken, and returns it: from here on it counts, and nothing more can be taken.
    pub async fn commit(&self) -> Result<Vec<Took>, Refusal> {
        let reservation = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(reservation) = reservation.filter(|reservation| !reservation.is_empty()) else {
            return Ok(Vec::new());
        };
        let written = tokio::task::spawn_blocking(move || reservation.commit()).await;
        let error = match written {
            Ok(Ok(taken)) => return Ok(taken.into_iter().map(took).collect()),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        tracing::error!(error, "what plugins take of their quotas cannot be written");
        Err(Refusal::new(
            Code::QuotaUnavailable,
            "quotas",
            "what plugins take of their quotas cannot be written down, so nothing is sent",
        ))
    }
}

fn took(taken: TakenOf) -> Took {
    let TakenOf { plugin, key, window_seconds, window, count } = taken;
    Took { plugin, key, began_ms: window.start_ms, window_seconds, count }
}

impl Quotas for Taking {
    fn take<'a>(&'a self, plugin: &'a PluginName, key: &'a str, limit: u32, window_seconds: u32) -> Answer<'a> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = match held.as_mut() {
            Some(reservation) => reservation.take(plugin.as_str(), key, limit, window_seconds),
            None => Err(QuotaFault::Unavailable { what: "the decision has been made".to_owned() }),
        };
        Box::pin(std::future::ready(taken))
    }
}

/// The quotas of a policy's case: nothing was taken before it, and nothing stays taken after.
pub struct Untouched {
    now_ms: u64,
    taken: Mutex<Vec<(String, String, u32)>>,
}

impl Untouched {
    /// Makes them at a time.
    pub fn at(now_ms: u64) -> Arc<Self> {
        Arc::new(Self { now_ms, taken: Mutex::default() })
    }
}

impl Quotas for Untouched {
    fn take<'a>(&'a self, plugin: &'a PluginName, key: &'a str, limit: u32, window_seconds: u32) -> Answer<'a> {
        let counter = (plugin.to_string(), key.to_owned(), window_seconds);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let used = taken.iter().filter(|other| **other == counter).count();
        let window = Window::at(self.now_ms, window_seconds);
        let answer = Taken::of(limit, u32::try_from(used).unwrap_or(u32::MAX), window);
        if answer.granted {
            taken.push(counter);
        }
        Box::pin(std::future::ready(Ok(answer)))
    }
}
