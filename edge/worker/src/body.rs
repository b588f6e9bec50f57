//! Bodies: JavaScript streams are handed on as they are, so their bytes never enter the module's
//! memory unless somebody reads them.

use bytes::{Bytes, BytesMut};
use js_sys::{Reflect, Uint8Array};
use wasm_bindgen::{JsCast as _, JsValue};
use worker::wasm_bindgen_futures::JsFuture;
use zephyr_edge_pipeline::BoxError;
use zephyr_edge_portable::HostBody;

/// A body.
#[derive(Debug)]
pub(crate) enum Body {
    /// There already.
    Whole(Bytes),
    /// A stream, and how many bytes it has when that is known.
    Stream(web_sys::ReadableStream, Option<u64>),
}

impl Body {
    /// The body of a message: `length` is its `Content-Length`.
    pub(crate) fn of(stream: Option<web_sys::ReadableStream>, length: Option<u64>) -> Self {
        stream.map_or(Self::Whole(Bytes::new()), |stream| {
            Self::Stream(stream, length)
        })
    }

    /// As the body of a new message; none when it has no bytes.
    pub(crate) fn into_js(self) -> Option<JsValue> {
        match self {
            Self::Whole(bytes) if bytes.is_empty() => None,
            Self::Whole(bytes) => Some(Uint8Array::from(&*bytes).into()),
            Self::Stream(stream, _) => Some(stream.into()),
        }
    }

    /// Two bodies of the same bytes, both to be read.
    pub(crate) fn tee(self) -> (Self, Self) {
        match self {
            Self::Whole(bytes) => (Self::Whole(bytes.clone()), Self::Whole(bytes)),
            Self::Stream(stream, length) => {
                let pair = stream.tee();
                let half = |at| Self::Stream(pair.get(at).unchecked_into(), length);
                (half(0), half(1))
            }
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::Whole(bytes)
    }
}

impl HostBody for Body {
    fn is_empty(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Stream(_, length) => *length == Some(0),
        }
    }

    fn length(&self) -> Option<u64> {
        match self {
            Self::Whole(bytes) => Some(bytes.len() as u64),
            Self::Stream(_, length) => *length,
        }
    }

    async fn collect(self, limit: usize) -> Result<Bytes, BoxError> {
        let (stream, length) = match self {
            Self::Whole(bytes) if bytes.len() <= limit => return Ok(bytes),
            Self::Whole(_) => return Err("the body is too large".into()),
            Self::Stream(stream, length) => (stream, length),
        };
        let capacity = usize::try_from(length.unwrap_or_default()).unwrap_or(limit);
        let mut whole = BytesMut::with_capacity(capacity.min(limit).min(1 << 20));
        let reader: web_sys::ReadableStreamDefaultReader = stream.get_reader().unchecked_into();
        loop {
            let read = JsFuture::from(reader.read())
                .await
                .map_err(|error| broken(&error))?;
            let of = |name: &str| Reflect::get(&read, &name.into()).unwrap_or_default();
            if of("done").is_truthy() {
                break;
            }
            let chunk: Uint8Array = of("value").unchecked_into();
            let at = whole.len();
            let length = chunk.length() as usize;
            if at + length > limit {
                let _ = reader.cancel();
                return Err("the body is too large".into());
            }
            whole.resize(at + length, 0);
            chunk.copy_to(&mut whole[at..]);
        }
        Ok(whole.freeze())
    }
}

fn broken(error: &JsValue) -> BoxError {
    format!("the body broke off: {error:?}").into()
}
