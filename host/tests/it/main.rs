//! The whole product, through real sockets, against the simulator. One binary, so that it links once.
//!
//! - [`world`]: a home, the simulator, an agent; canaries around everything.
//! - [`clients`]: its OAuth clients, at the providers and in the vault.
//! - [`recorded`]: what was received against what was recorded, at the end of every world.
//! - [`path`]: the path of a request.
//! - [`answers`]: plugins that judge answers; [`quotas`]: what plugins take, and plugins that keep failing.
//! - [`envelopes`]: calls that carry others, judged part by part.
//! - [`drafts`]: requests that wait for a person; [`proofs`]: what must be shown before writes are enabled; [`levels`]: how far they are.
//! - [`signed`]: operators with keys, and what wants their signature; [`admitted`]: agents whom only the state knows.
//! - [`dashboard`]: the pages that people look at, and who may approve there.
//! - [`private`]: consents that are one agent's own.
//! - [`services`]: each ready-made service, end to end.
//! - [`regions`]: only the region's own hosts are ever dialled.
//! - [`copies`]: exports and imports of the vault, by the executable.
//! - [`backup`]: the whole home as one file, and back; [`rolled_back`]: an older vault in the newer one's place.
//! - [`canaries`]: no stored secret in any byte that leaves, and proof that a leak would be seen.
//! - [`flowing`]: answers that reach the agent as they come.
//! - [`formats`]: homes that a newer version wrote.
//! - [`front`]: what the front door refuses, byte for byte.
//! - [`hostile`]: plugins that attack.
//! - [`operators`]: the operators' listener and its numbers; [`exposition`]: their text, read strictly.
//! - [`collector`]: spans for a collector.
//! - [`promises`]: what must hold whatever happens.
//! - [`recorder`]: what plugins saw, kept, asked again and made cases of; [`brought`]: what a component that is added would have said.
//! - [`reload`]: a changed workspace, taken whole or not at all.
//! - [`look`]: stored secrets found in a project's files.
//! - [`crowd`]: what crowds at the agents' door hold, and who is served all the same.
//! - [`program`]: the executable: commands, exit codes, the socket, the demo.
//! - [`plugin`]: the executable again: what plugins' authors do.
//! - [`mistakes`]: the executable again: what it says to mistakes.
//! - [`shown`]: the executable again: what it shows to people, and what to programs;
//!   [`false_socket`]: what something in the daemon's place can make it show; [`explained`]: what it says of requests that nobody sent.
//! - [`compared`]: what was sent, and what was recorded of it; [`recorded`] compares them after every test.
//! - [`connecting`]: the executable again: every way to connect an account.
//! - [`guides`]: the executable again: what docs/services.md and docs/secrets.md tell to do, done as they say.
//! - [`local`]: the executable against its neighbours on one machine; tests/local has what needs root.

#![allow(
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "all of it is tests: a failure is a failed test, and files are looked at from outside"
)]

mod clients;
mod exposition;
mod recorded;
#[expect(dead_code, reason = "shared with the crash suite, which takes a world apart")]
mod world;

mod accepted;
mod admitted;
mod answers;
mod approvers;
mod audit;
mod backup;
mod brought;
mod canaries;
mod cases;
mod changes;
mod collector;
mod compared;
mod connecting;
mod copies;
mod crowd;
mod crowded;
mod dashboard;
mod drafts;
mod envelopes;
mod explained;
mod false_socket;
mod flowing;
mod folder;
mod forgotten;
mod formats;
mod front;
mod guides;
mod hostile;
mod levels;
mod limits;
mod local;
mod look;
mod mistakes;
mod operators;
mod path;
mod plugin;
mod private;
mod program;

mod promises;
mod proofs;
mod quotas;
mod recorded_answers;
mod recorder;
mod regions;
mod reload;
mod rolled_back;
mod services;
mod shown;
mod signed;
mod waiting;
