//! Bodies: the host's streams are handed on as they are, so their bytes never enter the component's
//! memory unless somebody reads them.

use bytes::Bytes;
use wasip3::http::types::{ErrorCode, Trailers};
use wasip3::wit_bindgen::{FutureReader, StreamReader, StreamResult};
use wasip3::{wit_future, wit_stream};
use zephyr_edge_pipeline::BoxError;

/// How a stream ended, and what came after it.
pub type End = FutureReader<Result<Option<Trailers>, ErrorCode>>;

/// How much is read at once.
const CHUNK: usize = 64 * 1024;

/// A body.
#[derive(Debug)]
pub enum Body {
    /// There already.
    Whole(Bytes),
    /// A stream of the host.
    Stream(Stream),
}

/// A stream of the host, and what has been read of it already.
#[derive(Debug)]
pub struct Stream {
    read: Vec<u8>,
    rest: StreamReader<u8>,
    end: End,
    length: Option<u64>,
}

impl Body {
    /// The body of a message: `length` is its `Content-Length`.
    #[must_use]
    pub fn of(rest: StreamReader<u8>, end: End, length: Option<u64>) -> Self {
        if length == Some(0) {
            return Self::Whole(Bytes::new());
        }
        Self::Stream(Stream {
            read: Vec::new(),
            rest,
            end,
            length,
        })
    }

    /// A body of unknown length as one that is known to be empty, where it is.
    #[must_use]
    pub async fn peeked(self) -> Self {
        let Self::Stream(mut stream) = self else {
            return self;
        };
        if stream.length.is_some() || stream.fill().await {
            return Self::Stream(stream);
        }
        Self::Whole(Bytes::new())
    }

    /// As the contents of a new message.
    #[must_use]
    pub fn into_contents(self) -> (Option<StreamReader<u8>>, End) {
        match self {
            Self::Whole(bytes) if bytes.is_empty() => (None, ended()),
            Self::Whole(bytes) => {
                let (mut writer, reader) = wit_stream::new();
                wasip3::spawn(async move {
                    // What a client that went away did not take is of no use to anybody.
                    drop(writer.write_all(bytes.into()).await);
                });
                (Some(reader), ended())
            }
            Self::Stream(stream) if stream.read.is_empty() => (Some(stream.rest), stream.end),
            Self::Stream(stream) => {
                let Stream {
                    mut read,
                    mut rest,
                    end,
                    ..
                } = stream;
                let (mut writer, reader) = wit_stream::new();
                wasip3::spawn(async move {
                    while !read.is_empty() && writer.write_all(read).await.is_empty() {
                        read = more(&mut rest).await;
                    }
                });
                (Some(reader), end)
            }
        }
    }
}

impl Body {
    /// A body that breaks off at once, as the one did that was read.
    #[must_use]
    pub fn broken() -> Self {
        let (_, rest) = wit_stream::new();
        let (writer, end) = wit_future::new(|| Err(ErrorCode::ConnectionTerminated));
        drop(writer);
        Self::of(rest, end, None)
    }
}

/// Nothing comes after a body of our own.
fn ended() -> End {
    let (writer, reader) = wit_future::new(|| Ok(None));
    drop(writer);
    reader
}

impl Stream {
    /// Reads more; false at the end.
    async fn fill(&mut self) -> bool {
        let read = more(&mut self.rest).await;
        self.read.extend_from_slice(&read);
        !read.is_empty()
    }
}

/// The next bytes of a stream; none at its end.
async fn more(stream: &mut StreamReader<u8>) -> Vec<u8> {
    loop {
        let (result, read) = stream.read(Vec::with_capacity(CHUNK)).await;
        if !read.is_empty() || !matches!(result, StreamResult::Complete(_)) {
            return read;
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::Whole(bytes)
    }
}

/// What came of reading a body up to a limit.
#[derive(Debug)]
pub enum Collected {
    /// All of it.
    Whole(Bytes),
    /// It goes on.
    TooLarge(Body),
}

impl Body {
    /// Reads all of it, unless it is larger.
    ///
    /// # Errors
    ///
    /// It broke off.
    pub async fn try_collect(self, limit: usize) -> Result<Collected, BoxError> {
        let mut stream = match self {
            Self::Whole(bytes) => return Ok(Collected::Whole(bytes)),
            Self::Stream(stream) => stream,
        };
        while stream.read.len() <= limit {
            if !stream.fill().await {
                // A stream that ends tells nothing of why; this does.
                return match stream.end.await {
                    Ok(_) => Ok(Collected::Whole(stream.read.into())),
                    Err(error) => Err(format!("the body broke off: {error:?}").into()),
                };
            }
        }
        Ok(Collected::TooLarge(Self::Stream(stream)))
    }
}

impl Body {
    /// Whether it has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Whole(bytes) if bytes.is_empty())
    }

    /// How many bytes it has, when that is known.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        match self {
            Self::Whole(bytes) => Some(bytes.len() as u64),
            Self::Stream(stream) => stream.length,
        }
    }

    /// Reads all of it.
    ///
    /// # Errors
    ///
    /// It broke off, or has more than `limit` bytes.
    pub async fn collect(self, limit: usize) -> Result<Bytes, BoxError> {
        match self.try_collect(limit).await? {
            Collected::Whole(bytes) => Ok(bytes),
            Collected::TooLarge(_) => Err("the body is too large".into()),
        }
    }
}
