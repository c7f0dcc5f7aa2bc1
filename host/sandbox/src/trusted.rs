//! The one place of this crate with `unsafe` code: compiled code that is run as it is, and descriptors by number.
//!
//! What is loaded here was compiled by this build of Wardlock, in this process or in a confined child of it, and came
//! here through memory or through the host's cache, which authenticates every byte.
//!
//! Workers map code from the sealed file that the host hands to all of them, so that its pages are in memory once. wasmtime
//! maps files by path only, so the mapping is made here, and a [`Publisher`] makes the code in it executable.

#![expect(
    unsafe_code,
    reason = "compiled code cannot be checked by its reader: trust in its origin is all there is"
)]
#![expect(clippy::disallowed_methods, reason = "the origin is the host's own: see above")]

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::ptr::{self, NonNull};

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap, mprotect, munmap};
use rustix::param::page_size;
use wasmtime::component::Component;
use wasmtime::{CustomCodeMemory, Engine};

/// Takes compiled code.
pub(crate) fn component(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: this engine's build compiled it (module doc).
    unsafe { Component::deserialize(engine, code) }
}

/// A file's bytes in this process's memory, not to be changed by anybody.
#[derive(Debug)]
pub(crate) struct Mapping(NonNull<[u8]>);

// SAFETY: it is memory that nobody writes, and it belongs to no thread.
unsafe impl Send for Mapping {}
// SAFETY: likewise.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps the first `length` bytes of a file. The host has sealed it: it neither changes nor shrinks.
    fn new(file: &OwnedFd, length: u64) -> io::Result<Self> {
        // Not by `File`, which asks by a call that a worker may not make.
        let there = u64::try_from(rustix::fs::fstat(file)?.st_size).unwrap_or(0);
        let size = usize::try_from(length).map_err(|_| io::ErrorKind::InvalidInput)?;
        if length == 0 || there < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // SAFETY: a new mapping at an address that the kernel chooses.
        let start = unsafe { mmap(ptr::null_mut(), size, ProtFlags::READ, MapFlags::PRIVATE, file.as_fd(), 0)? };
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self(NonNull::slice_from_raw_parts(start, size)))
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: it was mapped in `new` with this length, and whoever holds a `Mapping` drops what runs in it first. A
        // failure leaves it mapped, which harms nobody.
        let _ = unsafe { munmap(self.0.as_ptr().cast(), self.0.len()) };
    }
}

/// Maps compiled code of a sealed file. The component, and all that is made of it, must be dropped before the mapping.
pub(crate) fn mapped(engine: &Engine, file: &OwnedFd, length: u64) -> wasmtime::Result<(Component, Mapping)> {
    let mapping = Mapping::new(file, length)?;
    // SAFETY: this engine's build compiled it (module doc); it is sealed, and mapped as long as `mapping` lives.
    let component = unsafe { Component::deserialize_raw(engine, mapping.0)? };
    Ok((component, mapping))
}

/// Makes code executable where it is. The kernel keeps the caches of instructions as they must be when it maps pages as
/// executable on x86-64, the only processor that this is used on.
pub(crate) struct Publisher {
    page_size: usize,
}

impl Publisher {
    /// Makes one. The kernel is asked for the size of its pages here, which a worker that is confined cannot do any more.
    pub(crate) fn new() -> Self {
        Self { page_size: page_size() }
    }
}

impl CustomCodeMemory for Publisher {
    fn required_alignment(&self) -> usize {
        self.page_size
    }

    fn publish_executable(&self, start: *const u8, length: usize) -> wasmtime::Result<()> {
        protect(start, length, MprotectFlags::READ | MprotectFlags::EXEC)
    }

    fn unpublish_executable(&self, start: *const u8, length: usize) -> wasmtime::Result<()> {
        // It is about to be unmapped: nobody writes there.
        protect(start, length, MprotectFlags::READ)
    }
}

fn protect(start: *const u8, length: usize, how: MprotectFlags) -> wasmtime::Result<()> {
    // SAFETY: wasmtime gives the pages of one component's code, which nothing else is in. They were never written through
    // a reference, and are not from here on.
    unsafe { mprotect(start.cast_mut().cast(), length, how)? };
    Ok(())
}

/// Closes every descriptor from `first` on, whatever they are.
#[cfg(target_os = "linux")]
pub(crate) fn close_from(first: u32) -> std::io::Result<()> {
    // SAFETY: the only caller is a worker before it opens anything: nothing owns a descriptor from `first` on.
    let closed = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) };
    if closed == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}
