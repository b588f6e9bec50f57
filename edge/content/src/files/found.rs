//! What was found in the folder, with the fields that every answer about it has.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use zephyr_cache::date;

use super::body::{FileBody, Segment};
use super::folder::{Trouble, Wait};
use super::open::OpenFile;
use super::{Content, Options, media, tag};
use crate::Coding;

/// Up to here a file is read whole and kept in memory for a while.
pub(super) const SMALL: u64 = 64 * 1024;

/// What was found.
#[derive(Debug)]
pub(super) enum Found {
    /// A folder whose name wants a slash behind it.
    Folder,
    File(Source),
}

/// Where the bytes come from.
#[derive(Debug)]
pub(super) enum Source {
    Small(Arc<Small>),
    Large(Arc<OpenFile>, HeaderMap),
}

/// A small file.
#[derive(Debug)]
pub(super) struct Small {
    pub(super) head: HeaderMap,
    pub(super) bytes: Bytes,
}

/// Reads what is small, and writes the fields.
pub(super) fn source(
    file: OpenFile,
    name: &[u8],
    coding: Option<Coding>,
    options: &Options,
    wait: Wait,
) -> Result<Source, Trouble> {
    let bytes = match file.stat().len {
        len if len <= SMALL => Some(read(&file, wait)?),
        _ => None,
    };
    let etag = match &bytes {
        Some(bytes) => Some(tag::of_bytes(bytes)),
        None => {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            let now = now.map_or(0, |now| i128::try_from(now.as_nanos()).unwrap_or(0));
            tag::of_stat(file.stat(), now)
        }
    };
    let mut head = HeaderMap::with_capacity(12);
    if let Some(etag) = etag {
        head.insert(header::ETAG, etag);
    }
    // Section 8.8.2.1: no later than the time of the answer.
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.map_or(0, |now| i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
    let modified = date::format(file.stat().modified.0.clamp(0, now));
    if let Ok(modified) = HeaderValue::from_str(&modified) {
        head.insert(header::LAST_MODIFIED, modified);
    }
    head.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(media::of(name)),
    );
    let nosniff = HeaderValue::from_static("nosniff");
    head.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    head.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Some(value) = &options.cache_control {
        head.insert(header::CACHE_CONTROL, value.clone());
    }
    if !options.precompressed.is_empty() {
        head.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
    if let Some(coding) = coding {
        head.insert(header::CONTENT_ENCODING, coding.value());
    }
    Ok(match bytes {
        Some(bytes) => Source::Small(Arc::new(Small { head, bytes })),
        None => Source::Large(Arc::new(file), head),
    })
}

/// All of a small file, of one version.
fn read(file: &OpenFile, wait: Wait) -> Result<Bytes, Trouble> {
    let len = usize::try_from(file.stat().len).unwrap_or(usize::MAX);
    let mut buffer = vec![0; len];
    let read = match wait {
        _ if len == 0 => Ok(0),
        Wait::No => file.read_now(0, &mut buffer),
        Wait::Yes => file.read_full(0, &mut buffer),
    };
    let read = read.map_err(|error| match error.kind() {
        std::io::ErrorKind::WouldBlock => Trouble::WouldWait,
        _ => Trouble::Failed(error),
    })?;
    if read < len {
        return match wait {
            // The kernel has only the beginning.
            Wait::No => Err(Trouble::WouldWait),
            Wait::Yes => Err(Trouble::Failed(std::io::ErrorKind::UnexpectedEof.into())),
        };
    }
    file.check_unchanged().map_err(Trouble::Failed)?;
    Ok(buffer.into())
}

impl Source {
    pub(super) fn head(&self) -> &HeaderMap {
        match self {
            Self::Small(small) => &small.head,
            Self::Large(_, head) => head,
        }
    }

    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Small(small) => small.bytes.len() as u64,
            Self::Large(file, _) => file.stat().len,
        }
    }

    pub(super) fn whole(&self) -> Content {
        match self {
            Self::Small(small) => Content::Bytes(small.bytes.clone()),
            Self::Large(file, _) => {
                let whole = Segment::File {
                    at: 0,
                    len: self.len(),
                };
                Content::File(FileBody::new(Arc::clone(file), vec![whole]))
            }
        }
    }

    /// Parts of the file, and bytes between them.
    pub(super) fn content(&self, segments: Vec<Segment>) -> Content {
        match self {
            Self::Large(file, _) => Content::File(FileBody::new(Arc::clone(file), segments)),
            Self::Small(small) => {
                let part = |segment: &Segment| match segment {
                    Segment::Bytes(bytes) => bytes.clone(),
                    Segment::File { at, len } => slice(&small.bytes, *at, *len),
                };
                if let [segment] = &segments[..] {
                    return Content::Bytes(part(segment));
                }
                let parts: Vec<Bytes> = segments.iter().map(part).collect();
                Content::Bytes(parts.concat().into())
            }
        }
    }
}

fn slice(bytes: &Bytes, at: u64, len: u64) -> Bytes {
    let clamp = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
    bytes.slice(clamp(at)..clamp(at.saturating_add(len)))
}
