//! Who answers a plugin's calls where it is no component: the stand-in of a case, or nobody.

#[cfg(feature = "cases")]
pub(crate) use crate::cases::host::{names, read, take};
#[cfg(not(feature = "cases"))]
pub(crate) use nobody::{names, read, take};

/// What is said where no host stands in.
pub(crate) const NOBODY: &str = "no host is here to ask: in native tests `wardlock_plugin::cases::Host` stands in for it \
    (feature `cases`), and `wardlock plugin test` runs the component with a real one";

#[cfg(not(feature = "cases"))]
mod nobody {
    #![expect(clippy::panic, reason = "nothing true can be answered")]

    use super::NOBODY;
    use crate::quota::Taken;

    pub(crate) fn take(_key: &str, _limit: u32, _window_seconds: u32) -> Taken {
        panic!("{NOBODY}")
    }

    pub(crate) fn names() -> Vec<String> {
        panic!("{NOBODY}")
    }

    pub(crate) fn read(_name: &str) -> Option<Vec<u8>> {
        panic!("{NOBODY}")
    }
}
