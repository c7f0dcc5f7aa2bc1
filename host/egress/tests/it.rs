//! The wall, held by the compiler: each file in `compile_fail/` is a way around a promise, named by that promise,
//! and must not compile for exactly the reason in the `.stderr` beside it.
//!
//! After a change of words only: `TRYBUILD=overwrite cargo test -p wardlock-egress --test it`, and read the
//! difference.

#[test]
fn what_would_break_a_promise_does_not_compile() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/compile_fail/*.rs");
}
