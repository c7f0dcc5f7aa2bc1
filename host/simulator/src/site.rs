//! Which provider a host name belongs to.

use crate::region::{self, Place, Region, Role};
use crate::{google, meta, notes};

/// A host name's place, by provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Site {
    Google(google::Host),
    Meta(meta::Host),
    Notes(notes::Host),
    Zoho(Place),
}

impl Site {
    pub fn role(&self) -> Role {
        match self {
            Site::Google(google::Host::Accounts | google::Host::OAuth)
            | Site::Meta(meta::Host::Dialog)
            | Site::Notes(notes::Host::Login | notes::Host::OAuth) => Role::Accounts,
            // Meta's tokens are made on its API host.
            Site::Google(google::Host::Ads)
            | Site::Meta(meta::Host::Graph)
            | Site::Notes(notes::Host::Api | notes::Host::Key) => Role::Api,
            Site::Zoho(place) => place.role,
        }
    }

    /// Returns the data centre; only Zoho has them.
    pub fn region(&self) -> Option<Region> {
        match self {
            Site::Google(_) | Site::Meta(_) | Site::Notes(_) => None,
            Site::Zoho(place) => Some(place.region),
        }
    }
}

/// Returns every host name that is answered for.
pub(crate) fn names() -> Vec<String> {
    let zoho = region::table().into_iter().map(|(name, _)| name);
    let google = google::Host::ALL.into_iter().map(|host| host.name().to_owned());
    let meta = meta::Host::ALL.into_iter().map(|host| host.name().to_owned());
    let notes = notes::Host::ALL.into_iter().map(|host| host.name().to_owned());
    zoho.chain(google).chain(meta).chain(notes).collect()
}

/// Returns the place of a host name.
pub(crate) fn find(name: &str) -> Option<Site> {
    let google = google::Host::ALL.into_iter().find(|host| host.name().eq_ignore_ascii_case(name));
    let meta = meta::Host::ALL.into_iter().find(|host| host.name().eq_ignore_ascii_case(name));
    let notes = notes::Host::ALL.into_iter().find(|host| host.name().eq_ignore_ascii_case(name));
    let others = google.map(Site::Google).or_else(|| meta.map(Site::Meta)).or_else(|| notes.map(Site::Notes));
    others.or_else(|| region::place(name).map(Site::Zoho))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_once() {
        let mut all = names();
        assert!(all.iter().all(|name| find(name).is_some()));
        let before = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), before);
    }
}
