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

use wasmtime::component::{HasData, ResourceTable};

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

/// An instance's side of the interfaces.
pub(super) struct SpinView<'a> {
    pub(super) access: Option<&'a SpinAccess>,
    pub(super) table: &'a mut ResourceTable,
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
        let access = self.access?;
        let granted = access.grants.stores.contains(label);
        granted.then(|| Bucket::new(&access.kv, label))
    }

    /// The value of one of the component's variables.
    fn variable(&self, name: &str) -> Option<&String> {
        self.access?.grants.variables.get(name)
    }
}
