//! How many grants of one person live under a registration. Pure.
//!
//! A provider that keeps only so many drops the oldest in silence, even if it is in use (Zoho: the 21st refresh token of
//! a user deletes the first). So the count is looked at before a person is sent to the consent page.

use std::collections::BTreeMap;

use wardlock_core::id::GrantName;

use crate::vault::LiveGrant;

/// Whose consent is about to be asked for, as far as that can be known before it is given.
#[derive(Debug, Default, Clone)]
pub(crate) struct Expected {
    /// The person, known from the grant that is replaced.
    pub user: Option<String>,
    /// The account that the connection is pinned to, or that the replaced grant is for.
    pub tenant: Option<String>,
}

/// Whether there is room for one more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Room {
    /// There is.
    Enough,
    /// There is, and not for many more.
    Little {
        /// How many live now.
        live: usize,
    },
    /// There is none: one more makes the provider drop the oldest.
    None {
        /// How many live now.
        live: usize,
        /// The oldest one's grant; `None`: it is not stored any more.
        oldest: Option<GrantName>,
    },
}

/// Counts the grants that may be the same person's. What is not known counts against the person: a warning too many costs
/// less than a login. `live` is sorted, oldest first.
pub(crate) fn room(live: &[LiveGrant], expected: &Expected, most: usize) -> Room {
    let may_be = |known: &Option<String>, expected: &Option<String>| match (known, expected) {
        (Some(known), Some(expected)) => known == expected,
        _ => true,
    };
    let candidates: Vec<&LiveGrant> = live
        .iter()
        .filter(|grant| may_be(&grant.user, &expected.user) && may_be(&grant.tenant, &expected.tenant))
        .collect();
    let of_nobody = candidates.iter().filter(|grant| grant.user.is_none()).count();
    let mut by_user: BTreeMap<&str, usize> = BTreeMap::new();
    for user in candidates.iter().filter_map(|grant| grant.user.as_deref()) {
        *by_user.entry(user).or_default() += 1;
    }
    let busiest = by_user.into_iter().max_by_key(|(_, count)| *count);
    let (user, count) = busiest.map_or((None, 0), |(user, count)| (Some(user), count));
    let live = count + of_nobody;
    if live >= most {
        let is_theirs = |grant: &&&LiveGrant| grant.user.is_none() || grant.user.as_deref() == user;
        let oldest = candidates.iter().find(is_theirs).and_then(|grant| grant.grant.clone());
        return Room::None { live, oldest };
    }
    // Three quarters: 15 of Zoho's 20.
    if live * 4 >= most * 3 { Room::Little { live } } else { Room::Enough }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(count: u64, user: Option<&str>, tenant: &str) -> Vec<LiveGrant> {
        let one = |number| LiveGrant {
            grant: GrantName::parse(&format!("{tenant}-{number}")).ok(),
            user: user.map(str::to_owned),
            tenant: Some(tenant.to_owned()),
            created_ms: number,
        };
        (0..count).map(one).collect()
    }

    fn expect(user: Option<&str>, tenant: Option<&str>) -> Expected {
        Expected { user: user.map(str::to_owned), tenant: tenant.map(str::to_owned) }
    }

    #[test]
    fn the_provider_s_limit_is_warned_of_at_three_quarters_and_never_passed_in_silence() {
        let ann = expect(Some("ann"), Some("a"));
        assert_eq!(room(&live(14, Some("ann"), "a"), &ann, 20), Room::Enough);
        assert_eq!(room(&live(15, Some("ann"), "a"), &ann, 20), Room::Little { live: 15 });
        assert_eq!(room(&live(19, Some("ann"), "a"), &ann, 20), Room::Little { live: 19 });
        let oldest = GrantName::parse("a-0").ok();
        assert_eq!(room(&live(20, Some("ann"), "a"), &ann, 20), Room::None { live: 20, oldest });
    }

    #[test]
    fn other_people_and_other_accounts_do_not_count() {
        let all = [live(19, Some("bob"), "a"), live(19, Some("ann"), "b"), live(3, Some("ann"), "a")].concat();
        assert_eq!(room(&all, &expect(Some("ann"), Some("a")), 20), Room::Enough);
        assert_eq!(room(&all, &expect(None, Some("b")), 20), Room::Little { live: 19 });
    }

    #[test]
    fn what_is_not_known_counts_against_the_person() {
        let all = [live(10, Some("ann"), "a"), live(10, None, "a")].concat();
        assert!(matches!(room(&all, &expect(Some("ann"), Some("a")), 20), Room::None { live: 20, .. }));
        assert!(matches!(room(&all, &Expected::default(), 20), Room::None { live: 20, .. }));
        assert_eq!(room(&[], &Expected::default(), 20), Room::Enough);
    }
}
