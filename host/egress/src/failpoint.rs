//! Named instants of a request and a refresh, at which the crash suites (`tests/crash/run`) end the process.

pub(crate) use wardlock_audit::failpoint::pass;
