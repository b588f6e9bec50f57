//! A request and its answer, without the sockets between: what to fetch, what to make of what came,
//! what to say.

use zephyr_edge_core::{Problem, Reply};

use crate::accept::Accept;
use crate::etag;
use crate::limits::MAX_NAME_BYTES;
use crate::params::Params;
use crate::pipeline::{MakeError, make};
use crate::source::SourceError;

/// What is told of a request.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Request<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub query: Option<&'a str>,
    pub accept: Option<&'a str>,
    pub if_none_match: Option<&'a str>,
    pub request_id: &'a str,
}

/// The head of the origin's answer.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Head {
    pub status: u16,
    pub etag: Option<String>,
    pub cache_control: Option<String>,
    pub last_modified: Option<String>,
    pub surrogate_key: Option<String>,
    pub content_length: Option<u64>,
}

/// A request that is understood.
#[derive(Clone, Debug)]
pub struct Exchange {
    image: String,
    params: Params,
    accept: Accept,
    if_none_match: Option<String>,
    request_id: String,
}

impl Exchange {
    /// Understands a request.
    ///
    /// # Errors
    ///
    /// The answer to one that is wrong.
    pub fn begin(request: &Request<'_>) -> Result<Self, Reply> {
        let problem = |status, title, detail: &str| {
            Problem::new(status, title, detail, request.request_id).into_reply()
        };
        if !matches!(request.method, "GET" | "HEAD") {
            let reply = problem(
                405,
                "Method Not Allowed",
                "an image is read with GET or HEAD",
            );
            return Err(reply.with_header("allow", "GET, HEAD"));
        }
        let image = image_name(request.path)
            .ok_or_else(|| problem(404, "Not Found", "there is no image of this name"))?;
        let params = Params::parse(request.query)
            .map_err(|error| problem(400, "Bad Request", &error.to_string()))?;
        let accept = Accept::parse(request.accept);
        let exchange = Self {
            image: image.to_owned(),
            params,
            accept,
            if_none_match: request.if_none_match.map(str::to_owned),
            request_id: request.request_id.to_owned(),
        };
        if exchange.negotiates() && accept.excludes_all() {
            return Err(exchange.not_acceptable());
        }
        Ok(exchange)
    }

    /// What to ask of the origin.
    #[must_use]
    pub fn source_path(&self) -> String {
        format!("/media/{}", self.image)
    }

    /// Looks at the head of the origin's answer, before its body is read.
    ///
    /// # Errors
    ///
    /// The answer that follows from the head alone.
    pub fn on_head(&self, head: &Head) -> Result<(), Reply> {
        match head.status {
            200 => (),
            404 | 410 => {
                return Err(self.problem(404, "Not Found", "there is no image of this name"));
            }
            status => {
                let detail = format!("the origin answered {status}");
                return Err(self.problem(502, "Bad Gateway", &detail));
            }
        }
        let too_large = |length| length > crate::limits::MAX_SOURCE_BYTES as u64;
        if head.content_length.is_some_and(too_large) {
            return Err(self.source_too_large());
        }
        if let Some(source) = &head.etag {
            let tag = self.tag(source);
            if self.is_known(&tag) {
                return Err(self.with_validators(Reply::new(304), head, &tag));
            }
        }
        Ok(())
    }

    /// The answer, made of the origin's.
    #[must_use]
    pub fn finish(&self, head: &Head, body: Vec<u8>) -> Reply {
        let tag = match &head.etag {
            Some(source) => self.tag(source),
            None => self.tag(&etag::of_bytes(&body)),
        };
        if self.is_known(&tag) {
            return self.with_validators(Reply::new(304), head, &tag);
        }
        match make(body, &self.params, &self.accept) {
            Ok(made) => {
                let mut reply = Reply::new(200)
                    .with_header("content-type", made.format.media_type())
                    .with_header("x-content-type-options", "nosniff");
                reply.body = made.file;
                self.with_validators(reply, head, &tag)
            }
            Err(MakeError::Param(error)) => self.problem(400, "Bad Request", &error.to_string()),
            Err(MakeError::NotAcceptable) => self.not_acceptable(),
            Err(MakeError::Source(error)) => self.source_at_fault(&error),
            Err(MakeError::Internal(why)) => self.problem(500, "Internal Server Error", &why),
        }
    }

    /// The answer when the origin's body is above the bound.
    #[must_use]
    pub fn source_too_large(&self) -> Reply {
        let most = crate::limits::MAX_SOURCE_BYTES;
        self.source_at_fault(&SourceError::TooLarge(format!("more than {most} bytes")))
    }

    /// The answer when the origin cannot be reached, or its body breaks off.
    #[must_use]
    pub fn unreachable(&self) -> Reply {
        self.problem(502, "Bad Gateway", "the origin cannot be reached")
    }

    fn source_at_fault(&self, error: &SourceError) -> Reply {
        let detail = format!("the origin's image cannot be used: {error}");
        self.problem(502, "Bad Gateway", &detail)
    }

    fn not_acceptable(&self) -> Reply {
        let detail = "`Accept` excludes all of image/jpeg, image/png and image/webp";
        self.problem(406, "Not Acceptable", detail)
    }

    fn problem(&self, status: u16, title: &str, detail: &str) -> Reply {
        let reply = Problem::new(status, title, detail, &self.request_id).into_reply();
        if self.negotiates() {
            reply.with_header("vary", "accept")
        } else {
            reply
        }
    }

    /// Whether the answer's format follows from `Accept`.
    fn negotiates(&self) -> bool {
        self.params.format.is_none()
    }

    fn tag(&self, source: &str) -> String {
        let accept = self.negotiates().then_some(&self.accept);
        etag::of(source.as_bytes(), &self.params, accept)
    }

    fn is_known(&self, tag: &str) -> bool {
        self.if_none_match
            .as_deref()
            .is_some_and(|field| etag::matches(field, tag))
    }

    /// What a 200 and a 304 have alike (RFC 9110, section 15.4.5).
    fn with_validators(&self, mut reply: Reply, head: &Head, tag: &str) -> Reply {
        let mut keys = format!("image-{}", self.image);
        if let Some(more) = &head.surrogate_key {
            keys.push(' ');
            keys.push_str(more);
        }
        reply = reply
            .with_header("etag", tag)
            .with_header(
                "cache-control",
                head.cache_control
                    .as_deref()
                    .unwrap_or("public, max-age=60"),
            )
            .with_header("surrogate-key", keys);
        if let Some(modified) = &head.last_modified {
            reply = reply.with_header("last-modified", modified);
        }
        if self.negotiates() {
            reply = reply.with_header("vary", "accept");
        }
        reply
    }
}

/// The image of a path: one segment of letters, digits and `-`, `_`, `.`, not beginning with a dot.
fn image_name(path: &str) -> Option<&str> {
    let name = path.strip_prefix("/media/")?;
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let fine = !name.is_empty()
        && name.len() <= MAX_NAME_BYTES
        && !name.starts_with('.')
        && name.bytes().all(legal);
    fine.then_some(name)
}

#[cfg(test)]
mod tests;
