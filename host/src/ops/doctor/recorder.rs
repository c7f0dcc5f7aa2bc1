//! The recorder: which workspaces record what their plugins see, and whether that is kept.

use std::sync::Arc;

use super::{Check, green, red};
use crate::host::Host;
use crate::ops::blocking;
use crate::text::with_causes;

const NAME: &str = "recorder";

/// Names each workspace that records; nothing where none does.
pub(super) async fn examine(host: &Arc<Host>) -> Option<Check> {
    let loaded = host.loaded();
    let asked = Arc::clone(host.recorder());
    let recorded = blocking(move || asked.recorded()).await.ok()?;
    let mut names = loaded.recorders().peekable();
    names.peek()?;
    let recorded = match recorded {
        Ok(recorded) => recorded,
        Err(error) => {
            let mend = "move state/recordings.db away, which holds nothing else, and run `wardlock reload`";
            return Some(red(NAME, with_causes(&error), mend));
        }
    };
    let told = names.map(|(name, keeping)| {
        let own = recorded.iter().find(|own| own.workspace == name.as_str());
        let (requests, bytes) = own.map_or((0, 0), |own| (own.requests, own.bytes));
        let (most, hours) = (keeping.requests, keeping.keep.as_secs() / 3600);
        let time = if hours == 0 { format!("{} min", keeping.keep.as_secs() / 60) } else { format!("{hours} h") };
        format!(
            "`{name}` has {requests} of at most {most} requests, {} KiB, each for {time}",
            bytes.div_ceil(1024)
        )
    });
    let told: Vec<String> = told.collect();
    Some(green(NAME, format!("what plugins see is recorded, sealed: {}", told.join("; "))))
}
