//! A plugin as it stands after `configure`: its memories and globals, written into the component.
//!
//! A fresh instance of a snapshot has its settings already, so a request pays for neither its start code nor
//! `configure`. What a request leaves behind is still gone with its instance.

use wasmtime::Store;
use wasmtime::component::{Instance, Lift, WasmList};
use wasmtime_wizer::{ComponentContext, ComponentInstanceState, Wizer};

use crate::instance::Guest;
use crate::text::escaped;

/// A component that can be looked into.
pub(crate) struct Instrumented<'a> {
    wizer: Wizer,
    context: ComponentContext<'a>,
    bytes: Vec<u8>,
}

impl<'a> Instrumented<'a> {
    /// Adds exports that show what is inside; says why that does not work for this component.
    pub(crate) fn new(component: &'a [u8]) -> Result<Self, String> {
        let wizer = Wizer::new();
        let instrumented = wizer.instrument_component(component);
        let (context, bytes) = instrumented.map_err(|error| escaped(&format!("{error:#}"), 300))?;
        Ok(Self { wizer, context, bytes })
    }

    /// Returns the component with those exports.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Writes an instance's state into the component.
    pub(crate) async fn snapshot(&self, store: &mut Store<Guest>, instance: Instance) -> Result<Vec<u8>, String> {
        let mut state = State { store, instance, failed: None };
        let taken = self.wizer.snapshot_component(&self.context, &mut state).await;
        match (state.failed, taken) {
            (Some(error), _) | (None, Err(error)) => Err(escaped(&format!("{error:#}"), 300)),
            (None, Ok(bytes)) => Ok(bytes),
        }
    }
}

/// An instance, read through the exports that were added. The first failure is kept: wizer's trait has no place for one.
struct State<'a> {
    store: &'a mut Store<Guest>,
    instance: Instance,
    failed: Option<wasmtime::Error>,
}

impl State<'_> {
    async fn read<R: Lift + Send + Sync + 'static>(&mut self, interface: &str, function: &str) -> Option<R> {
        match self.try_read(interface, function).await {
            Ok(value) => Some(value),
            Err(error) => {
                self.failed.get_or_insert(error);
                None
            }
        }
    }

    async fn try_read<R: Lift + Send + Sync + 'static>(
        &mut self,
        interface: &str,
        function: &str,
    ) -> wasmtime::Result<R> {
        let missing = || wasmtime::Error::msg("an export that was added is not there");
        let (_, outer) = self.instance.get_export(&mut *self.store, None, interface).ok_or_else(missing)?;
        let (_, inner) = self.instance.get_export(&mut *self.store, Some(&outer), function).ok_or_else(missing)?;
        let function = self.instance.get_typed_func::<(), (R,)>(&mut *self.store, inner)?;
        Ok(function.call_async(&mut *self.store, ()).await?.0)
    }
}

impl ComponentInstanceState for State<'_> {
    async fn call_func_ret_list_u8(&mut self, instance: &str, func: &str, contents: impl FnOnce(&[u8]) + Send) {
        match self.read::<WasmList<u8>>(instance, func).await {
            Some(list) => contents(list.as_le_slice(&*self.store)),
            None => contents(&[]),
        }
    }

    async fn call_func_ret_s32(&mut self, instance: &str, func: &str) -> i32 {
        self.read(instance, func).await.unwrap_or_default()
    }

    async fn call_func_ret_s64(&mut self, instance: &str, func: &str) -> i64 {
        self.read(instance, func).await.unwrap_or_default()
    }

    async fn call_func_ret_f32(&mut self, instance: &str, func: &str) -> u32 {
        self.read::<f32>(instance, func).await.unwrap_or_default().to_bits()
    }

    async fn call_func_ret_f64(&mut self, instance: &str, func: &str) -> u64 {
        self.read::<f64>(instance, func).await.unwrap_or_default().to_bits()
    }
}
