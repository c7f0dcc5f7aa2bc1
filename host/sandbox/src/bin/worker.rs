//! A plugin worker without the rest of Wardlock: what this crate's tests execute.

use std::process::ExitCode;

fn main() -> ExitCode {
    wardlock_sandbox::worker_main()
}
