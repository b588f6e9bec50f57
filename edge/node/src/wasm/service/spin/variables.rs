//! A component's variables: `wasi:config/store@0.2.0-draft-2024-09-27` and `spin:variables@3.0.0`.

use wasmtime::component::Accessor;

use super::bindings::spin::variables::variables::{self, Error};
use super::bindings::wasi::config::store;
use super::{Spin, SpinView};
use crate::spin::is_variable_name;

impl store::Host for SpinView<'_> {
    fn get(&mut self, name: String) -> wasmtime::Result<Result<Option<String>, store::Error>> {
        Ok(Ok(self.variable(&name).cloned()))
    }

    fn get_all(&mut self) -> wasmtime::Result<Result<Vec<(String, String)>, store::Error>> {
        let all = self.state.access.as_ref().map(|a| &a.grants.variables);
        let all = all.into_iter().flatten();
        Ok(Ok(all.map(|(k, v)| (k.clone(), v.clone())).collect()))
    }
}

impl variables::Host for SpinView<'_> {}

impl<T: Send> variables::HostWithStore<T> for Spin {
    async fn get(
        accessor: &Accessor<T, Self>,
        name: String,
    ) -> wasmtime::Result<Result<String, Error>> {
        let value = accessor.with(|mut access| access.get().variable(&name).cloned());
        Ok(value.ok_or_else(|| {
            if is_variable_name(&name) {
                Error::Undefined(format!("no variable {name:?} for this component"))
            } else {
                Error::InvalidName(format!("{name:?} is not a variable's name"))
            }
        }))
    }
}
