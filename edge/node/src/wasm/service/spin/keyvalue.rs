//! `wasi:keyvalue@0.2.0-draft2`: store, atomics and batch.

use bytes::Bytes;
use wasmtime::component::Resource;

use super::SpinView;
use super::bindings::wasi::keyvalue::{atomics, batch, store};
use super::bucket::Bucket;

/// The most bytes of values that are read at once: they are held outside of the guest's memory.
const MAX_BATCH: usize = 32 << 20;

/// A compare-and-swap that has begun: the value that its key had.
#[derive(Debug)]
#[expect(unreachable_pub, reason = "generated code re-exports it")]
pub struct Cas {
    bucket: Bucket,
    key: String,
    seen: Option<Bytes>,
}

impl Cas {
    async fn begin(bucket: Bucket, key: String) -> Result<Self, String> {
        let seen = bucket.get(&key).await?;
        Ok(Self { bucket, key, seen })
    }
}

type Answer<T> = wasmtime::Result<Result<T, store::Error>>;

fn told<T>(result: Result<T, String>) -> Answer<T> {
    Ok(result.map_err(store::Error::Other))
}

fn too_many() -> store::Error {
    store::Error::Other("too many open stores and compare-and-swaps".to_owned())
}

impl SpinView<'_> {
    fn bucket(&self, bucket: &Resource<Bucket>) -> wasmtime::Result<Bucket> {
        Ok(self.table.get(bucket)?.clone())
    }
}

impl store::Host for SpinView<'_> {
    fn open(&mut self, label: String) -> Answer<Resource<Bucket>> {
        match self.granted(&label) {
            Some(bucket) => Ok(self.push(bucket)?.ok_or_else(too_many)),
            None => Ok(Err(store::Error::AccessDenied)),
        }
    }
}

impl store::HostBucket for SpinView<'_> {
    async fn get(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<Option<Vec<u8>>> {
        let value = self.bucket(&bucket)?.get(&key).await;
        told(value.map(|value| value.map(Vec::from)))
    }

    async fn set(&mut self, bucket: Resource<Bucket>, key: String, value: Vec<u8>) -> Answer<()> {
        told(self.bucket(&bucket)?.set(&key, value).await)
    }

    async fn delete(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<()> {
        told(self.bucket(&bucket)?.delete(&key).await)
    }

    async fn exists(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<bool> {
        told(self.bucket(&bucket)?.exists(&key).await)
    }

    async fn list_keys(
        &mut self,
        bucket: Resource<Bucket>,
        cursor: Option<String>,
    ) -> Answer<store::KeyResponse> {
        let page = self.bucket(&bucket)?.page(cursor.as_deref()).await;
        told(page.map(|(keys, cursor)| store::KeyResponse { keys, cursor }))
    }

    fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.take(bucket)?;
        Ok(())
    }
}

impl atomics::Host for SpinView<'_> {
    async fn increment(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
        delta: i64,
    ) -> Answer<i64> {
        told(self.bucket(&bucket)?.increment(&key, delta).await)
    }

    async fn swap(
        &mut self,
        cas: Resource<Cas>,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), atomics::CasError>> {
        let Cas { bucket, key, seen } = self.take(cas)?;
        let failed = |why| Ok(Err(atomics::CasError::StoreError(store::Error::Other(why))));
        match bucket.swap(&key, seen.as_deref(), value).await {
            Ok(true) => Ok(Ok(())),
            Ok(false) => match Cas::begin(bucket, key).await {
                // There is room: the handle of the failed one is gone.
                Ok(again) => Ok(Err(match self.push(again)? {
                    Some(again) => atomics::CasError::CasFailed(again),
                    None => atomics::CasError::StoreError(too_many()),
                })),
                Err(why) => failed(why),
            },
            Err(why) => failed(why),
        }
    }
}

impl atomics::HostCas for SpinView<'_> {
    async fn new(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<Resource<Cas>> {
        let bucket = self.bucket(&bucket)?;
        match Cas::begin(bucket, key).await {
            Ok(cas) => Ok(self.push(cas)?.ok_or_else(too_many)),
            Err(why) => told(Err(why)),
        }
    }

    /// The value that the key has now; a swap compares with it from then on.
    async fn current(&mut self, cas: Resource<Cas>) -> Answer<Option<Vec<u8>>> {
        let cas = self.table.get_mut(&cas)?;
        match cas.bucket.get(&cas.key).await {
            Ok(value) => {
                cas.seen.clone_from(&value);
                Ok(Ok(value.map(Vec::from)))
            }
            Err(why) => told(Err(why)),
        }
    }

    fn drop(&mut self, cas: Resource<Cas>) -> wasmtime::Result<()> {
        self.take(cas)?;
        Ok(())
    }
}

impl batch::Host for SpinView<'_> {
    async fn get_many(
        &mut self,
        bucket: Resource<Bucket>,
        keys: Vec<String>,
    ) -> Answer<Vec<(String, Option<Vec<u8>>)>> {
        let bucket = self.bucket(&bucket)?;
        let (mut found, mut bytes) = (Vec::new(), 0);
        for key in keys {
            match bucket.get(&key).await {
                Ok(value) if bytes + value.as_ref().map_or(0, Bytes::len) > MAX_BATCH => {
                    let why = format!("the values have more than {MAX_BATCH} bytes together");
                    return told(Err(why));
                }
                Ok(value) => {
                    bytes += value.as_ref().map_or(0, Bytes::len);
                    found.push((key, value.map(Vec::from)));
                }
                Err(why) => return told(Err(why)),
            }
        }
        Ok(Ok(found))
    }

    async fn set_many(
        &mut self,
        bucket: Resource<Bucket>,
        entries: Vec<(String, Vec<u8>)>,
    ) -> Answer<()> {
        let bucket = self.bucket(&bucket)?;
        for (key, value) in entries {
            if let Err(why) = bucket.set(&key, value).await {
                return told(Err(why));
            }
        }
        Ok(Ok(()))
    }

    async fn delete_many(&mut self, bucket: Resource<Bucket>, keys: Vec<String>) -> Answer<()> {
        let bucket = self.bucket(&bucket)?;
        for key in keys {
            if let Err(why) = bucket.delete(&key).await {
                return told(Err(why));
            }
        }
        Ok(Ok(()))
    }
}
