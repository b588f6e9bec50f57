//! Files of a folder as answers: what an origin says about them (RFC 9110, sections 8, 13 and 14).
//!
//! A worker thread never waits for a disk: what the kernel has in memory is opened and read on the
//! spot (`RESOLVE_CACHED`, `RWF_NOWAIT`), all else on a thread for that. Small files are kept in memory
//! for a second before they are looked at again ([`recent`]).

mod body;
mod condition;
mod folder;
mod found;
mod media;
mod open;
mod path;
mod ranges;
mod recent;
mod tag;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};

pub use body::FileBody;

use crate::Coding;
use crate::accept::Accepted;
use condition::Verdict;
use folder::{Folder, Trouble, Wait};
use found::{Found, Source};
use path::Relative;
use ranges::Ranges;
use recent::Recent;

/// How a folder is served.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder.
    pub root: PathBuf,
    /// What is taken off the beginning of a path; empty, or with a slash in front and none behind.
    pub strip: String,
    /// The file that stands for a folder; empty: none does.
    pub index: String,
    /// The file below the folder that stands for what is not there.
    pub fallback: Option<String>,
    /// Compressed copies beside the files, best first.
    pub precompressed: Vec<Coding>,
    /// `Cache-Control` of the answers.
    pub cache_control: Option<HeaderValue>,
    /// Whether the answer may have no coding although the client refuses that: somebody else gives it
    /// one.
    pub compressed_later: bool,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The method.
    pub method: &'a Method,
    /// The path, as sent.
    pub path: &'a str,
    /// The query, as sent.
    pub query: Option<&'a str>,
    /// The fields.
    pub headers: &'a HeaderMap,
    /// Since the Unix epoch.
    pub now: Duration,
}

/// The answer's content.
#[derive(Debug)]
pub enum Content {
    /// Bytes in memory, or none.
    Bytes(Bytes),
    /// A file, or parts of one.
    File(FileBody),
}

/// Why there is no answer but a problem.
#[derive(Debug)]
pub enum Refusal {
    /// 404: no such file, or none that may be served.
    NotFound,
    /// 405: neither GET nor HEAD.
    Method,
    /// 406: no coding is refused, and there is no other.
    NotAcceptable,
    /// 412: it is not the version that the client means.
    Precondition,
    /// 500: the folder or the file cannot be read.
    Failed(io::Error),
}

/// The methods that a folder knows, as `Allow` says it.
pub const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD");

/// A folder that is served.
#[derive(Debug)]
pub struct Files {
    options: Options,
    folder: Folder,
    recent: Recent,
}

impl Files {
    /// A folder; it is looked at when something in it is asked for.
    #[must_use]
    pub fn new(options: Options) -> Arc<Self> {
        let folder = Folder::new(options.root.clone());
        Arc::new(Self {
            options,
            folder,
            recent: Recent::default(),
        })
    }

    /// Answers a request. Must be called inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// Why there is nothing to answer with.
    pub async fn answer(
        self: &Arc<Self>,
        request: Request<'_>,
    ) -> Result<Response<Content>, Refusal> {
        if !matches!(*request.method, Method::GET | Method::HEAD) {
            return Err(Refusal::Method);
        }
        let relative = path::resolve(request.path, &self.options.strip);
        let relative = relative.ok_or(Refusal::NotFound)?;
        let accepted = Accepted::of(request.headers);
        let codings = accepted.ranked(&self.options.precompressed);
        let found = self.find(relative, codings).await?;
        match found {
            Found::Folder => redirect(&request),
            Found::File(source) => {
                let plain = !source.head().contains_key(header::CONTENT_ENCODING);
                if plain && !accepted.takes_identity() && !self.options.compressed_later {
                    return Err(Refusal::NotAcceptable);
                }
                respond(&source, &request)
            }
        }
    }

    async fn find(
        self: &Arc<Self>,
        relative: Relative,
        codings: Vec<Coding>,
    ) -> Result<Found, Refusal> {
        if let Some(small) = self.recent.get(&relative, &codings) {
            return Ok(Found::File(Source::Small(small)));
        }
        let looked = match self.look(&relative, &codings, Wait::No) {
            Err(Trouble::WouldWait) => {
                let files = Arc::clone(self);
                let look = move || files.look(&relative, &codings, Wait::Yes);
                let looked = tokio::task::spawn_blocking(look).await;
                looked.map_err(|error| Refusal::Failed(io::Error::other(error)))?
            }
            looked => looked,
        };
        looked.map_err(|trouble| match trouble {
            Trouble::Absent => Refusal::NotFound,
            Trouble::WouldWait => Refusal::Failed(io::ErrorKind::WouldBlock.into()),
            Trouble::Failed(error) => Refusal::Failed(error),
        })
    }

    /// Looks into the folder.
    fn look(&self, relative: &Relative, codings: &[Coding], wait: Wait) -> Result<Found, Trouble> {
        let index = self.options.index.as_bytes();
        let name = relative.name(index);
        let looked = match &name {
            Some(name) => self.look_at(name, relative, codings, wait),
            None => Err(Trouble::Absent),
        };
        match (looked, &self.options.fallback) {
            (Err(Trouble::Absent), Some(fallback)) if relative.is_page(media::is_page) => {
                let name = fallback.as_bytes();
                match self.look_at(name, relative, codings, wait)? {
                    Found::Folder => Err(Trouble::Absent),
                    found => Ok(found),
                }
            }
            (looked, _) => looked,
        }
    }

    fn look_at(
        &self,
        name: &[u8],
        relative: &Relative,
        codings: &[Coding],
        wait: Wait,
    ) -> Result<Found, Trouble> {
        let plain = self.folder.open(name, wait)?;
        if plain.stat().is_folder() {
            // The index of a folder is no folder.
            return match relative.is_folder() {
                false => Ok(Found::Folder),
                true => Err(Trouble::Absent),
            };
        }
        if !plain.stat().is_file() {
            return Err(Trouble::Absent);
        }
        let (mut file, mut coding) = (plain, None);
        for &candidate in codings {
            let mut name = name.to_vec();
            name.extend_from_slice(candidate.suffix().as_bytes());
            match self.folder.open(&name, wait) {
                // One that is older is of an older file.
                Ok(copy) if copy.stat().is_file() && copy.stat().is_as_new_as(file.stat()) => {
                    (file, coding) = (copy, Some(candidate));
                    break;
                }
                Ok(_) | Err(Trouble::Absent) => {}
                Err(trouble) => return Err(trouble),
            }
        }
        let source = found::source(file, name, coding, &self.options, wait)?;
        if let Source::Small(small) = &source {
            self.recent.put(relative, codings, small);
        }
        Ok(Found::File(source))
    }
}

/// To the folder's own name, so that relative references in its index are right. Paths with an empty
/// segment are no files' paths, so the location never begins with two slashes.
fn redirect(request: &Request<'_>) -> Result<Response<Content>, Refusal> {
    let query = request.query.map(|query| format!("?{query}"));
    let location = format!("{}/{}", request.path, query.unwrap_or_default());
    let mut response = Response::new(Content::Bytes(Bytes::new()));
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    let location = HeaderValue::from_str(&location).map_err(|_| Refusal::NotFound)?;
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, location);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(0));
    Ok(response)
}

fn respond(source: &Source, request: &Request<'_>) -> Result<Response<Content>, Refusal> {
    let mut response = Response::new(Content::Bytes(Bytes::new()));
    *response.headers_mut() = source.head().clone();
    match condition::check(request.headers, source.head(), request.now) {
        Verdict::Failed => return Err(Refusal::Precondition),
        Verdict::NotModified => {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            for name in &zephyr_cache::conditional::NOT_MODIFIED_OMITS {
                response.headers_mut().remove(name);
            }
            return Ok(response);
        }
        Verdict::Go => {}
    }
    let length = source.len();
    let headers = response.headers_mut();
    if *request.method == Method::GET && request.headers.contains_key(header::RANGE) {
        match ranges::select(request.headers, source.head(), length, request.now) {
            Ranges::Whole => {}
            Ranges::Unsatisfiable => {
                for name in [header::CONTENT_TYPE, header::CONTENT_ENCODING, header::ETAG] {
                    headers.remove(name);
                }
                headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
                set(headers, header::CONTENT_RANGE, &format!("bytes */{length}"));
                headers.insert(header::CONTENT_LENGTH, HeaderValue::from(0));
                *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
                return Ok(response);
            }
            Ranges::Parts(parts) => {
                let body = ranges::body(&parts, headers, length, request.now);
                headers.insert(
                    header::CONTENT_LENGTH,
                    HeaderValue::from(ranges::len(&body)),
                );
                *response.status_mut() = StatusCode::PARTIAL_CONTENT;
                *response.body_mut() = source.content(body);
                return Ok(response);
            }
        }
    }
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    if *request.method == Method::GET {
        *response.body_mut() = source.whole();
    }
    Ok(response)
}

fn set(headers: &mut HeaderMap, name: header::HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests;
