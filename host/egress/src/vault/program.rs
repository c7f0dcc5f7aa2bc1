//! A secret that a program prints: one of those that keep secrets, such as `op`, `vault`, `infisical` or `doppler`.
//!
//! The program is started as it is, without a shell, with nothing on standard input; what it prints is read here, so that
//! the bytes are held nowhere else. What it says on standard error is not kept: it may hold anything.

use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::secret::{LONGEST, NotASecret, Secret};

/// How long a program may take: some ask their server.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Why a program gave no secret. It never holds any of what it printed.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// It is not named by an absolute path or a plain name.
    #[error("no program is named")]
    None,
    /// It cannot be started.
    #[error("`{program}` cannot be started")]
    Start {
        /// Its name.
        program: String,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// It ended with a failure.
    #[error("`{program}` ended with {status}")]
    Failed {
        /// Its name.
        program: String,
        /// How it ended.
        status: std::process::ExitStatus,
    },
    /// It took too long, and was ended.
    #[error("`{program}` did not end within {} s, and was ended", PATIENCE.as_secs())]
    Slow {
        /// Its name.
        program: String,
    },
    /// Its output cannot be read.
    #[error("the output of `{program}` cannot be read")]
    Read {
        /// Its name.
        program: String,
    },
    /// What it printed is no secret.
    #[error("what `{program}` printed is no secret")]
    NotASecret {
        /// Its name.
        program: String,
        /// Why not.
        #[source]
        source: NotASecret,
    },
}

impl Secret {
    /// Runs a program and takes what it prints; one line break at the end is dropped. Blocks for half a minute at most.
    pub fn from_program(argv: &[String]) -> Result<Self, ProgramError> {
        let (name, arguments) =
            argv.split_first().filter(|(name, _)| !name.is_empty()).ok_or(ProgramError::None)?;
        let program = || name.clone();
        let mut child = Command::new(name)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|source| ProgramError::Start { program: program(), source })?;
        let ended = printed(&mut child, &program);
        // Whatever it came to, nothing of it goes on.
        let _ = child.kill();
        let status = child.wait().map_err(|_| ProgramError::Read { program: program() })?;
        let printed = ended?;
        let longer = printed.len() > LONGEST;
        if !status.success() && !longer {
            return Err(ProgramError::Failed { program: program(), status });
        }
        Self::from_bytes(printed).map_err(|source| ProgramError::NotASecret { program: program(), source })
    }
}

/// Reads all that it prints, one byte more than a secret may have at most, and waits for its end.
fn printed(child: &mut Child, program: &dyn Fn() -> String) -> Result<Zeroizing<Vec<u8>>, ProgramError> {
    let output = child.stdout.take().ok_or_else(|| ProgramError::Read { program: program() })?;
    let (give, take) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST + 3));
        let read = output.take(u64::try_from(LONGEST + 2).unwrap_or(u64::MAX)).read_to_end(&mut bytes);
        // Nobody waits any more where the time is over.
        let _ = give.send(read.map(|_| bytes));
    });
    let ends = Instant::now() + PATIENCE;
    let read = take.recv_timeout(PATIENCE).map_err(|_| ProgramError::Slow { program: program() })?;
    let mut bytes = read.map_err(|_| ProgramError::Read { program: program() })?;
    while child.try_wait().is_ok_and(|status| status.is_none()) && bytes.len() <= LONGEST {
        if Instant::now() > ends {
            return Err(ProgramError::Slow { program: program() });
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    for end in [b'\n', b'\r'] {
        if bytes.last() == Some(&end) {
            bytes.pop();
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::secret::tests::secret;

    fn run(argv: &[&str]) -> Result<Secret, ProgramError> {
        Secret::from_program(&argv.iter().map(|&part| part.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn what_a_program_prints_is_the_secret() {
        assert!(run(&["printf", "canary-1.x\\n"]).expect("a secret").same(&secret("canary-1.x")));
        assert!(run(&["echo", "-n", "$(id)"]).expect("no shell").same(&secret("$(id)")));
    }

    #[test]
    fn a_program_that_gives_none_is_told_without_what_it_printed() {
        let failure = |argv: &[&str]| run(argv).expect_err("refused").to_string();
        assert_eq!(failure(&[]), "no program is named");
        assert_eq!(failure(&["/nowhere/at-all"]), "`/nowhere/at-all` cannot be started");
        assert_eq!(failure(&["sh", "-c", "echo canary; exit 3"]), "`sh` ended with exit status: 3");
        assert_eq!(failure(&["sh", "-c", "echo canary two"]), "what `sh` printed is no secret");
        assert_eq!(failure(&["true"]), "what `true` printed is no secret");
        assert_eq!(failure(&["sh", "-c", "yes canary | head -c 100000"]), "what `sh` printed is no secret");
    }
}
