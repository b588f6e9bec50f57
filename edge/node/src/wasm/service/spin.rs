//! The interfaces that only components of Spin applications get: `wasi:keyvalue` and `wasi:config`
//! in the drafts that Spin speaks, `spin:key-value` and `spin:variables`.
//!
//! They stand on the node's key-value store and on what the manifest grants; an ordinary service is
//! not linked with them at all.

mod bindings;
mod bucket;
mod key_value;
mod keyvalue;
mod variables;

use std::sync::Arc;

use wasmtime::component::{HasData, Resource, ResourceTable};

use self::bindings::spin::{key_value::key_value as spin_kv, variables::variables as spin_vars};
use self::bindings::wasi::{config, keyvalue as wasi_kv};
use self::bucket::Bucket;
use super::ServiceLinker;
use super::state::ServiceState;
use crate::spin::Grants;

/// What a component of a Spin application may reach through Spin's interfaces.
#[derive(Clone)]
pub(in crate::wasm) struct SpinAccess {
    pub(in crate::wasm) grants: Arc<Grants>,
    pub(in crate::wasm) kv: Arc<dyn zephyr_kv::Store>,
}

/// Open stores and compare-and-swaps of an instance. Each may hold a value of the largest size.
const MAX_HANDLES: usize = 128;

/// What an instance has of Spin's interfaces.
pub(super) struct SpinState {
    access: Option<SpinAccess>,
    /// Open stores and compare-and-swaps.
    handles: usize,
}

impl SpinState {
    pub(super) fn new(access: Option<SpinAccess>) -> Self {
        Self { access, handles: 0 }
    }

    /// An instance's side of the interfaces, over its table of resources. Only components that were
    /// granted something are linked with them, so for others there is nothing to be had.
    pub(super) fn view<'a>(&'a mut self, table: &'a mut ResourceTable) -> SpinView<'a> {
        SpinView { state: self, table }
    }
}

/// An instance's side of the interfaces.
pub(super) struct SpinView<'a> {
    state: &'a mut SpinState,
    table: &'a mut ResourceTable,
}

/// Tells the linker how to find that side.
struct Spin;

impl HasData for Spin {
    type Data<'a> = SpinView<'a>;
}

/// Adds the interfaces.
pub(super) fn link(linker: &mut ServiceLinker) -> wasmtime::Result<()> {
    config::store::add_to_linker::<_, Spin>(linker, ServiceState::spin)?;
    wasi_kv::store::add_to_linker::<_, Spin>(linker, ServiceState::spin)?;
    wasi_kv::atomics::add_to_linker::<_, Spin>(linker, ServiceState::spin)?;
    wasi_kv::batch::add_to_linker::<_, Spin>(linker, ServiceState::spin)?;
    spin_kv::add_to_linker::<_, Spin>(linker, ServiceState::spin)?;
    spin_vars::add_to_linker::<_, Spin>(linker, ServiceState::spin)
}

impl SpinView<'_> {
    /// The store of a label, if the manifest names it.
    fn granted(&self, label: &str) -> Option<Bucket> {
        let access = self.state.access.as_ref()?;
        let granted = access.grants.stores.contains(label);
        granted.then(|| Bucket::new(&access.kv, label))
    }

    /// The value of one of the component's variables.
    fn variable(&self, name: &str) -> Option<&String> {
        self.state.access.as_ref()?.grants.variables.get(name)
    }

    /// A handle for the guest; none when it has too many.
    fn push<H: Send + 'static>(&mut self, entry: H) -> wasmtime::Result<Option<Resource<H>>> {
        if self.state.handles >= MAX_HANDLES {
            return Ok(None);
        }
        let handle = self.table.push(entry)?;
        self.state.handles += 1;
        Ok(Some(handle))
    }

    /// Takes back what is behind a handle.
    fn take<H: 'static>(&mut self, handle: Resource<H>) -> wasmtime::Result<H> {
        let entry = self.table.delete(handle)?;
        self.state.handles = self.state.handles.saturating_sub(1);
        Ok(entry)
    }
}
