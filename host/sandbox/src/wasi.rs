//! WASI for guests whose toolchain imports it, without anything behind it.
//!
//! The environment, the arguments and the files are empty; the wall clock stands at the request's time (at zero until a
//! request is there: in start code, `describe` and `configure`) and the monotonic one at zero; randomness is a stream that the request id and the plugin's digest determine, so that a
//! decision can be replayed; output goes to the plugin's log. Waiting and exiting trap. Sockets say `access-denied`
//! (`imports.rs`), and nothing else is linked.

use wardlock_core::id::Digest;
use wasmtime::Result;
use wasmtime::component::{HasData, HasSelf, Linker, Resource, ResourceTable};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemCtx, WasiFilesystemCtxView};
use wasmtime_wasi::p2::bindings::cli::terminal_input::TerminalInput;
use wasmtime_wasi::p2::bindings::cli::terminal_output::TerminalOutput;
use wasmtime_wasi::p2::bindings::{cli, clocks, filesystem, io, random};
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, DynPollable, OutputStream, Pollable, StreamResult, pipe::ClosedInputStream,
};

use crate::instance::Guest;
use crate::log::{self, SharedLog};
use crate::random::Stream;

/// How many resources (streams) a guest may have at once.
const MAX_RESOURCES: usize = 64;

/// A guest called something that no policy needs.
#[derive(Debug, thiserror::Error)]
#[error("it called `{0}`, which no plugin may")]
pub(crate) struct Forbidden(pub(crate) &'static str);

/// What WASI is for one instance.
pub(crate) struct Wasi {
    table: ResourceTable,
    files: WasiFilesystemCtx,
    stream: Stream,
    now_ms: u64,
    log: SharedLog,
}

impl Wasi {
    /// Makes the WASI of an instance before any request: the clock stands at zero.
    pub(crate) fn outside_requests(digest: Digest, log: SharedLog) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_RESOURCES);
        let stream = Stream::new("load", digest);
        Self { table, files: WasiFilesystemCtx::default(), stream, now_ms: 0, log }
    }

    /// Sets clock and randomness to those of a request.
    pub(crate) fn enter(&mut self, request_id: &str, digest: Digest, now_ms: u64) {
        self.stream = Stream::new(request_id, digest);
        self.now_ms = now_ms;
    }

    fn files(guest: &mut Guest) -> WasiFilesystemCtxView<'_> {
        WasiFilesystemCtxView { ctx: &mut guest.wasi.files, table: &mut guest.wasi.table }
    }

    fn output(&mut self, level: u8) -> Result<Resource<DynOutputStream>> {
        let stream: DynOutputStream = Box::new(Output { level, log: SharedLog::clone(&self.log) });
        Ok(self.table.push(stream)?)
    }
}

/// Links all of it. Functions that could wait are `async` in the bindings; none of ours does.
pub(crate) fn add_to_linker(linker: &mut Linker<Guest>) -> Result<()> {
    type Inert = HasSelf<Wasi>;
    let inert: fn(&mut Guest) -> &mut Wasi = |guest| &mut guest.wasi;
    cli::environment::add_to_linker::<_, Inert>(linker, inert)?;
    cli::exit::add_to_linker::<_, Inert>(linker, inert)?;
    cli::stdin::add_to_linker::<_, Inert>(linker, inert)?;
    cli::stdout::add_to_linker::<_, Inert>(linker, inert)?;
    cli::stderr::add_to_linker::<_, Inert>(linker, inert)?;
    cli::terminal_input::add_to_linker::<_, Inert>(linker, inert)?;
    cli::terminal_output::add_to_linker::<_, Inert>(linker, inert)?;
    cli::terminal_stdin::add_to_linker::<_, Inert>(linker, inert)?;
    cli::terminal_stdout::add_to_linker::<_, Inert>(linker, inert)?;
    cli::terminal_stderr::add_to_linker::<_, Inert>(linker, inert)?;
    clocks::wall_clock::add_to_linker::<_, Inert>(linker, inert)?;
    clocks::monotonic_clock::add_to_linker::<_, Inert>(linker, inert)?;
    random::random::add_to_linker::<_, Inert>(linker, inert)?;
    random::insecure::add_to_linker::<_, Inert>(linker, inert)?;
    random::insecure_seed::add_to_linker::<_, Inert>(linker, inert)?;
    io::poll::add_to_linker::<_, Inert>(linker, inert)?;
    io::error::add_to_linker::<_, HasTable>(linker, |guest| &mut guest.wasi.table)?;
    io::streams::add_to_linker::<_, HasTable>(linker, |guest| &mut guest.wasi.table)?;
    filesystem::preopens::add_to_linker::<_, WasiFilesystem>(linker, Wasi::files)?;
    filesystem::types::add_to_linker::<_, WasiFilesystem>(linker, Wasi::files)
}

struct HasTable;

impl HasData for HasTable {
    type Data<'a> = &'a mut ResourceTable;
}

/// Standard output and standard error: the plugin's log.
struct Output {
    level: u8,
    log: SharedLog,
}

impl OutputStream for Output {
    fn write(&mut self, bytes: bytes::Bytes) -> StreamResult<()> {
        log::write(&self.log, self.level, &String::from_utf8_lossy(&bytes));
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(4096)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {}
}

impl cli::environment::Host for Wasi {
    fn get_environment(&mut self) -> Result<Vec<(String, String)>> {
        Ok(Vec::new())
    }

    fn get_arguments(&mut self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn initial_cwd(&mut self) -> Result<Option<String>> {
        Ok(None)
    }
}

impl cli::exit::Host for Wasi {
    fn exit(&mut self, _: std::result::Result<(), ()>) -> Result<()> {
        Err(Forbidden("wasi:cli/exit").into())
    }

    fn exit_with_code(&mut self, _: u8) -> Result<()> {
        Err(Forbidden("wasi:cli/exit").into())
    }
}

impl cli::stdin::Host for Wasi {
    fn get_stdin(&mut self) -> Result<Resource<DynInputStream>> {
        let stream: DynInputStream = Box::new(ClosedInputStream);
        Ok(self.table.push(stream)?)
    }
}

impl cli::stdout::Host for Wasi {
    fn get_stdout(&mut self) -> Result<Resource<DynOutputStream>> {
        self.output(2)
    }
}

impl cli::stderr::Host for Wasi {
    fn get_stderr(&mut self) -> Result<Resource<DynOutputStream>> {
        self.output(1)
    }
}

impl cli::terminal_input::Host for Wasi {}

impl cli::terminal_input::HostTerminalInput for Wasi {
    fn drop(&mut self, terminal: Resource<TerminalInput>) -> Result<()> {
        self.table.delete(terminal)?;
        Ok(())
    }
}

impl cli::terminal_output::Host for Wasi {}

impl cli::terminal_output::HostTerminalOutput for Wasi {
    fn drop(&mut self, terminal: Resource<TerminalOutput>) -> Result<()> {
        self.table.delete(terminal)?;
        Ok(())
    }
}

impl cli::terminal_stdin::Host for Wasi {
    fn get_terminal_stdin(&mut self) -> Result<Option<Resource<TerminalInput>>> {
        Ok(None)
    }
}

impl cli::terminal_stdout::Host for Wasi {
    fn get_terminal_stdout(&mut self) -> Result<Option<Resource<TerminalOutput>>> {
        Ok(None)
    }
}

impl cli::terminal_stderr::Host for Wasi {
    fn get_terminal_stderr(&mut self) -> Result<Option<Resource<TerminalOutput>>> {
        Ok(None)
    }
}

impl clocks::wall_clock::Host for Wasi {
    fn now(&mut self) -> Result<clocks::wall_clock::Datetime> {
        let nanoseconds = u32::try_from(self.now_ms % 1000)? * 1_000_000;
        Ok(clocks::wall_clock::Datetime { seconds: self.now_ms / 1000, nanoseconds })
    }

    fn resolution(&mut self) -> Result<clocks::wall_clock::Datetime> {
        Ok(clocks::wall_clock::Datetime { seconds: 0, nanoseconds: 1_000_000 })
    }
}

impl clocks::monotonic_clock::Host for Wasi {
    fn now(&mut self) -> Result<u64> {
        Ok(0)
    }

    fn resolution(&mut self) -> Result<u64> {
        Ok(1)
    }

    fn subscribe_instant(&mut self, _: u64) -> Result<Resource<DynPollable>> {
        Err(Forbidden("wasi:clocks/monotonic-clock#subscribe-instant").into())
    }

    fn subscribe_duration(&mut self, _: u64) -> Result<Resource<DynPollable>> {
        Err(Forbidden("wasi:clocks/monotonic-clock#subscribe-duration").into())
    }
}

impl random::random::Host for Wasi {
    fn get_random_bytes(&mut self, len: u64) -> Result<Vec<u8>> {
        self.stream.bytes(len)
    }

    fn get_random_u64(&mut self) -> Result<u64> {
        self.stream.number()
    }
}

impl random::insecure::Host for Wasi {
    fn get_insecure_random_bytes(&mut self, len: u64) -> Result<Vec<u8>> {
        self.stream.bytes(len)
    }

    fn get_insecure_random_u64(&mut self) -> Result<u64> {
        self.stream.number()
    }
}

impl random::insecure_seed::Host for Wasi {
    fn insecure_seed(&mut self) -> Result<(u64, u64)> {
        Ok((self.stream.number()?, self.stream.number()?))
    }
}

impl io::poll::Host for Wasi {
    async fn poll(&mut self, _: Vec<Resource<DynPollable>>) -> Result<Vec<u32>> {
        Err(Forbidden("wasi:io/poll#poll").into())
    }
}

impl io::poll::HostPollable for Wasi {
    async fn ready(&mut self, _: Resource<DynPollable>) -> Result<bool> {
        Ok(true)
    }

    async fn block(&mut self, _: Resource<DynPollable>) -> Result<()> {
        Err(Forbidden("wasi:io/poll#pollable.block").into())
    }

    fn drop(&mut self, pollable: Resource<DynPollable>) -> Result<()> {
        io::poll::HostPollable::drop(&mut self.table, pollable)
    }
}
