//! The plugin workers of a bench: itself, executed once more.

/// Runs a plugin worker to its end, where this bench was executed as one. To be called before anything else.
#[expect(clippy::exit, reason = "a worker is another program that happens to be in this file")]
pub fn be_a_worker_if_told_so() {
    if std::env::args_os().nth(1).is_some_and(|first| first == wardlock_sandbox::WORKER) {
        wardlock_sandbox::worker_main();
        std::process::exit(0);
    }
}
