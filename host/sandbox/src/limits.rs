//! What one instance may take of memory: all its linear memories together, and its tables.

use wasmtime::ResourceLimiter;

use crate::engine::{MAX_CORE_INSTANCES, MAX_MEMORIES, MAX_TABLE_ELEMENTS, MAX_TABLES};

/// The memory limit was met. Refusing outright rather than answering -1 lets the host say why the guest ended.
#[derive(Debug, thiserror::Error)]
#[error("the plugin ran past its memory limit")]
pub(crate) struct MemoryLimit;

/// Limits of one instance.
#[derive(Debug)]
pub(crate) struct Limits {
    left_bytes: usize,
    taken_bytes: usize,
}

impl Limits {
    /// Allows so many bytes, over all memories together.
    pub(crate) fn new(memory_bytes: usize) -> Self {
        Self { left_bytes: memory_bytes, taken_bytes: 0 }
    }

    /// Returns how many were taken so far, over all memories together.
    pub(crate) fn taken_bytes(&self) -> usize {
        self.taken_bytes
    }
}

impl ResourceLimiter for Limits {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current);
        match self.left_bytes.checked_sub(more) {
            Some(left) => {
                self.left_bytes = left;
                self.taken_bytes = self.taken_bytes.saturating_add(more);
                Ok(true)
            }
            None => Err(MemoryLimit.into()),
        }
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        if desired > MAX_TABLE_ELEMENTS { Err(MemoryLimit.into()) } else { Ok(true) }
    }

    fn instances(&self) -> usize {
        MAX_CORE_INSTANCES as usize
    }

    fn tables(&self) -> usize {
        MAX_TABLES as usize
    }

    fn memories(&self) -> usize {
        MAX_MEMORIES as usize
    }
}
