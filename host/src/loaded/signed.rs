//! Whether a plugin's signature lets it load, said at its place in the workspace file. Nothing of the plugin has run by then.

use wardlock_core::id::PublisherName;

use crate::config::{Document, PluginPlan, TextError, nearest};
use crate::trust::{Publishers, SIGNATURE_END, SignatureError, Standing};

use super::chain::{ChainLoader, Found};

impl ChainLoader<'_> {
    /// Judges the signature that stands beside a component.
    pub(super) fn standing(
        &mut self,
        document: &Document<'_>,
        place: &[&str],
        plan: &PluginPlan,
        found: &Found,
    ) -> Result<Standing, TextError> {
        let key = if plan.publisher.is_some() { "publisher" } else { "file" };
        let at = [place, &[key]].concat();
        if let Some(publisher) = &plan.publisher {
            known(self.publishers(), publisher)
                .map_err(|(problem, hint)| document.error_at(&at, problem).hint(hint))?;
        }
        let beside = format!("{}{SIGNATURE_END}", found.file);
        let refused = |problem: String, hint: String| {
            document.error_at(&at, format!("plugin `{}` does not load: {problem}", plan.name)).hint(hint)
        };
        let signature = self
            .read(beside.clone())
            .map_err(|problem| document.error_at(&at, problem.message).maybe_hint(problem.hint))?;
        let standing = self
            .judged(found, signature.as_ref().map(|bytes| bytes.as_slice()))
            .map_err(|error| refused(format!("{beside}: {error}"), error.hint().to_owned()))?;
        self.publishers()
            .admit(&standing, plan.publisher.as_ref())
            .map_err(|error| refused(error.to_string(), error.hint(&beside)))?;
        Ok(standing)
    }

    /// A file that stands in many chains is judged once.
    fn judged(&mut self, found: &Found, signature: Option<&[u8]>) -> Result<Standing, SignatureError> {
        if let Some(known) = self.standings.get(&found.file) {
            return known.clone();
        }
        let standing = self.publishers().standing(&found.bytes, signature);
        self.standings.insert(found.file.clone(), standing.clone());
        standing
    }
}

/// Says that no publisher of that name is there, and which may be meant.
fn known(publishers: &Publishers, name: &PublisherName) -> Result<(), (String, String)> {
    if publishers.key(name.as_str()).is_some() {
        return Ok(());
    }
    let problem = format!("wardlock.toml trusts no publisher `{name}`");
    let hint = match nearest(name.as_str(), publishers.names()) {
        Some(other) => format!("did you mean `{other}`?"),
        None => format!(
            "`wardlock plugin trust {name} KEY` prints the table; `wardlock serve` reads wardlock.toml when it starts"
        ),
    };
    Err((problem, hint))
}
