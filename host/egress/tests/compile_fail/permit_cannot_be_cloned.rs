//! One permit sends one request: there is no second copy of it.

use wardlock_core::decision::Permit;

fn copy(permit: Permit) -> (Permit, Permit) {
    (permit.clone(), permit)
}

fn main() {}
