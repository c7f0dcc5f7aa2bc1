//! One kill, and what must hold after it.

use std::fmt;
use std::fmt::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Output;
use std::sync::atomic::Ordering;

use wardlock_egress::vault::Condition;
use wardlock_simulator::Rotation;

use crate::child::{AUTHORITY, HOSTS, WORKS};
use crate::instant::Instant;
use crate::support::{Left, World};

/// Longer than a case takes.
pub const GRACE: Rotation = Rotation::WithGrace { milliseconds: 600_000 };

const TWO_HOURS_MS: u64 = 2 * 3_600_000;

/// A provider, and when the child is killed.
pub struct Case {
    pub rotation: Rotation,
    pub instant: Instant,
}

/// What became of the login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Killed, and it works.
    Works,
    /// Killed, and the loss is named, with its cause; a new consent mended it.
    Named,
    /// The child was not killed.
    Survived,
}

/// Returns a home with an account whose access token has ended, closed, and how far its clock is ahead.
pub async fn expired(rotation: Rotation) -> (Left, u64) {
    let world = World::new().await;
    world.connect("eu").await.expect("connected");
    world.simulator.switches().change(|switches| switches.rotation = rotation);
    world.advance(TWO_HOURS_MS);
    let left = world.leave();
    write_provider(&left);
    let ahead_ms = left.ahead_ms.load(Ordering::SeqCst);
    (left, ahead_ms)
}

#[expect(clippy::disallowed_methods, reason = "files of the suite itself")]
fn write_provider(left: &Left) {
    let hosts = left.simulator.hosts().into_iter().fold(String::new(), |mut text, (host, address)| {
        writeln!(text, "{host} {address}").expect("a String takes all");
        text
    });
    std::fs::write(left.folder.path().join(HOSTS), hosts).expect("written");
    std::fs::write(left.folder.path().join(AUTHORITY), left.simulator.ca_der()).expect("written");
}

impl Case {
    /// What it is counted under.
    pub fn group(&self) -> String {
        match &self.instant {
            Instant::Call { thread, call, .. } => format!("{}, {}: {call}", self.provider(), thread.name()),
            Instant::Failpoint { .. } | Instant::Never => format!("{}, failpoints", self.provider()),
        }
    }

    fn provider(&self) -> &'static str {
        match self.rotation {
            Rotation::Never => "never rotates",
            Rotation::WithGrace { .. } => "rotates with grace",
            Rotation::WithoutGrace => "rotates without grace",
        }
    }

    /// Kills the child, starts it again, and looks.
    pub async fn run(&self) -> Result<Outcome, String> {
        let (left, ahead_ms) = expired(self.rotation).await;
        let calls = left.simulator.token_calls();
        let first = self.instant.run(left.folder.path(), ahead_ms);
        let killed = first.status.signal() == Some(9);
        match (&self.instant, killed) {
            (Instant::Failpoint { .. }, false) => {
                return Err(format!("the failpoint was not passed: {}", told(&first)));
            }
            (_, false) if said(&first) != WORKS => return Err(format!("not killed, and {}", told(&first))),
            (_, _) => {}
        }
        let again = undisturbed(&left);
        let made = left.simulator.token_calls() - calls;
        if made > 2 {
            return Err(format!("{made} token calls were made"));
        }
        if said(&again) == WORKS {
            Self::works_on(left)?;
            return Ok(if killed { Outcome::Works } else { Outcome::Survived });
        }
        if self.rotation != Rotation::WithoutGrace {
            return Err(format!("the login does not work: {}", told(&again)));
        }
        Self::is_named(left, &again).await?;
        Ok(Outcome::Named)
    }

    /// A login works only if it can be renewed tomorrow, too.
    fn works_on(left: Left) -> Result<(), String> {
        let world = left.open();
        sound(&world, None)?;
        world.advance(TWO_HOURS_MS);
        let left = world.leave();
        let tomorrow = undisturbed(&left);
        if said(&tomorrow) != WORKS {
            return Err(format!("it worked once more, and then: {}", told(&tomorrow)));
        }
        Ok(())
    }

    /// A lost login is named with its cause, stays so without another call, and a new consent mends it.
    async fn is_named(left: Left, again: &Output) -> Result<(), String> {
        let cause = "cut off before its answer was stored";
        if !(said(again).starts_with("reconnect") && said(again).contains(cause)) {
            return Err(format!("the login is lost, and it is not told why: {}", told(again)));
        }
        let calls = left.simulator.token_calls();
        let third = undisturbed(&left);
        if said(&third) != said(again) || left.simulator.token_calls() != calls {
            return Err(format!("a dead token was sent again: {}", told(&third)));
        }
        let world = left.open();
        sound(&world, Some(cause))?;
        world.connect("eu").await.map_err(|error| format!("a new consent does not mend it: {error}"))?;
        let left = world.leave();
        let mended = undisturbed(&left);
        if said(&mended) != WORKS {
            return Err(format!("a new consent does not mend it: {}", told(&mended)));
        }
        Ok(())
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.provider(), self.instant)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Works => "killed, works",
            Self::Named => "killed, named and mended",
            Self::Survived => "survived",
        })
    }
}

/// The grant is there and opens, its condition is the one that was told, and the audit's chain holds.
fn sound(world: &World, lost: Option<&str>) -> Result<(), String> {
    let grants = world.egress.vault().grants().map_err(|error| format!("the vault: {error}"))?;
    let [grant] = grants.as_slice() else {
        return Err(format!("{} grants are there", grants.len()));
    };
    match (&grant.condition, lost) {
        (None, None) | (Some(Condition::Reconnect { interrupted_ms: Some(_), .. }), Some(_)) => {}
        (condition, _) => return Err(format!("the stored condition is {condition:?}")),
    }
    let verified =
        world.audit.verify(&wardlock_audit::Against::default()).map_err(|error| format!("the audit: {error}"))?;
    if verified.faults.is_empty() { Ok(()) } else { Err(format!("the audit: {:?}", verified.faults)) }
}

fn undisturbed(left: &Left) -> Output {
    Instant::Never.run(left.folder.path(), left.ahead_ms.load(Ordering::SeqCst))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn told(output: &Output) -> String {
    let (said, errors) = (said(output), String::from_utf8_lossy(&output.stderr));
    format!("{}, \"{said}\", {}", output.status, errors.trim())
}
