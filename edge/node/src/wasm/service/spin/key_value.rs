//! `spin:key-value@3.0.0`, whose functions are asynchronous in the way of WASI 0.3: the instance goes
//! on while the store works.

use wasmtime::component::{Accessor, FutureReader, Resource, StreamReader};

use super::bindings::spin::key_value::key_value::{Error, Host, HostStore, HostStoreWithStore};
use super::bucket::Bucket;
use super::{Spin, SpinView};

type Answer<T> = wasmtime::Result<Result<T, Error>>;

fn told<T>(result: Result<T, String>) -> Answer<T> {
    Ok(result.map_err(Error::Other))
}

/// Out of the instance's table, so that nothing of it is held while the store works.
fn bucket<T>(accessor: &Accessor<T, Spin>, store: &Resource<Bucket>) -> wasmtime::Result<Bucket> {
    accessor.with(|mut access| Ok(access.get().table.get(store)?.clone()))
}

impl Host for SpinView<'_> {}

impl HostStore for SpinView<'_> {
    fn drop(&mut self, store: Resource<Bucket>) -> wasmtime::Result<()> {
        self.take(store)?;
        Ok(())
    }
}

impl<T: Send> HostStoreWithStore<T> for Spin {
    async fn open(accessor: &Accessor<T, Self>, label: String) -> Answer<Resource<Bucket>> {
        accessor.with(|mut access| {
            let mut view = access.get();
            match view.granted(&label) {
                Some(bucket) => Ok(view.push(bucket)?.ok_or(Error::StoreTableFull)),
                None => Ok(Err(Error::AccessDenied)),
            }
        })
    }

    async fn get(
        accessor: &Accessor<T, Self>,
        store: Resource<Bucket>,
        key: String,
    ) -> Answer<Option<Vec<u8>>> {
        let value = bucket(accessor, &store)?.get(&key).await;
        told(value.map(|value| value.map(Vec::from)))
    }

    async fn set(
        accessor: &Accessor<T, Self>,
        store: Resource<Bucket>,
        key: String,
        value: Vec<u8>,
    ) -> Answer<()> {
        told(bucket(accessor, &store)?.set(&key, value).await)
    }

    async fn delete(
        accessor: &Accessor<T, Self>,
        store: Resource<Bucket>,
        key: String,
    ) -> Answer<()> {
        told(bucket(accessor, &store)?.delete(&key).await)
    }

    async fn exists(
        accessor: &Accessor<T, Self>,
        store: Resource<Bucket>,
        key: String,
    ) -> Answer<bool> {
        told(bucket(accessor, &store)?.exists(&key).await)
    }

    async fn get_keys(
        accessor: &Accessor<T, Self>,
        store: Resource<Bucket>,
    ) -> wasmtime::Result<(StreamReader<String>, FutureReader<Result<(), Error>>)> {
        let (keys, outcome) = match bucket(accessor, &store)?.keys().await {
            Ok(keys) => (keys, Ok(())),
            Err(why) => (Vec::new(), Err(Error::Other(why))),
        };
        accessor.with(|mut access| {
            let stream = StreamReader::new(&mut access, keys)?;
            let outcome = async move { Ok::<_, wasmtime::Error>(outcome) };
            Ok((stream, FutureReader::new(&mut access, outcome)?))
        })
    }
}
