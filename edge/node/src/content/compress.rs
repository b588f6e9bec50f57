//! Compression of a route's answers: settled for a request, then done to the answer.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use zephyr_content::Coding;
use zephyr_content::accept::Accepted;
use zephyr_content::compress::body::Compressed;
use zephyr_content::compress::eligible::no_transform;
use zephyr_content::compress::{Compressor, Place, Settings, dress, vary, weaken};
use zephyr_content::dictionary::{
    self, AVAILABLE_DICTIONARY, DICTIONARY_ID, Dictionaries, Dictionary, Learning, Rule,
    USE_AS_DICTIONARY,
};

use crate::body::Body;
use crate::config::{self, CompressionSection};
use crate::error::{ProxyError, Source};
use crate::exchange::Exchange;

/// Up to here a body that is here already is compressed at once, so that its length is known.
const AT_ONCE: usize = 32 * 1024;

/// What all routes of a node compress with.
#[derive(Debug)]
pub(crate) struct Coder {
    compressor: Compressor,
    dictionaries: Arc<Dictionaries>,
}

impl Coder {
    pub(crate) fn new(config: &CompressionSection) -> Self {
        let settings = Settings {
            offer: config
                .encodings
                .iter()
                .copied()
                .map(super::coding)
                .collect(),
            zstd_level: config.zstd_level.into(),
            brotli_level: config.brotli_level.into(),
            gzip_level: config.gzip_level.into(),
            min_bytes: config.min_bytes.0,
            types: config.types.clone(),
            max_streams: config.max_streams as usize,
        };
        let (one, all) = (config.max_dictionary_bytes.0, config.dictionaries_bytes.0);
        Self {
            compressor: Compressor::new(settings),
            dictionaries: Arc::new(Dictionaries::new(one, all)),
        }
    }
}

impl Coder {
    /// For the configuration that comes after another one: the same when nothing has changed, else one
    /// with the same dictionaries, if they have the same bounds.
    pub(crate) fn after(
        previous: Option<(&CompressionSection, &Arc<Self>)>,
        config: &CompressionSection,
    ) -> Arc<Self> {
        let Some((before, coder)) = previous else {
            return Arc::new(Self::new(config));
        };
        if before == config {
            return Arc::clone(coder);
        }
        let mut next = Self::new(config);
        let bounds = |of: &CompressionSection| (of.max_dictionary_bytes, of.dictionaries_bytes);
        if bounds(before) == bounds(config) {
            next.dictionaries = Arc::clone(&coder.dictionaries);
        }
        Arc::new(next)
    }
}

/// Compression as one route has it.
#[derive(Clone, Debug)]
pub(crate) struct Compress {
    coder: Arc<Coder>,
    dictionary: Option<DictionaryRule>,
}

/// Dictionaries as one route has them.
#[derive(Clone, Debug)]
struct DictionaryRule {
    /// Which answers are dictionaries though their upstream does not say so.
    rule: Option<Rule>,
}

/// What was settled for a request, in the extensions of its exchange.
#[derive(Clone, Debug)]
struct Settled {
    coding: Option<Coding>,
    dictionary: Option<Arc<Dictionary>>,
}

/// What the answer to a request needs to know of it.
#[derive(Debug)]
pub(crate) struct Asked {
    method: Method,
    settled: Settled,
    origin: String,
    target: String,
    conditions: HeaderMap,
}

impl Compress {
    pub(crate) fn new(coder: &Arc<Coder>, dictionary: Option<&config::Dictionary>) -> Self {
        let dictionary = dictionary.map(|config| DictionaryRule {
            rule: config
                .matches
                .as_ref()
                .and_then(|pattern| Rule::new(pattern, &config.match_dest, config.id.as_deref())),
        });
        Self {
            coder: Arc::clone(coder),
            dictionary,
        }
    }

    /// Settles what the client gets, and puts that in the place of what it accepts: one of the codings
    /// on offer, or none.
    pub(crate) fn settle(&self, x: &mut Exchange) {
        let origin = origin(x);
        let request = &mut x.request;
        let accepted = Accepted::of(&request.headers);
        let allowed = !no_transform(&request.headers);
        let coding = accepted.choose(&self.coder.compressor.settings().offer);
        let coding = coding.filter(|_| allowed);
        let dictionary = match &self.dictionary {
            Some(_) if allowed && accepted.takes(Coding::Dcz) => {
                dictionary::available(&request.headers)
                    .and_then(|hash| self.coder.dictionaries.get(&origin, &hash))
            }
            _ => None,
        };
        // A dictionary that is not here is as good as none, and must not make another answer.
        request.headers.remove(DICTIONARY_ID);
        match dictionary
            .as_ref()
            .and_then(|dictionary| dictionary.available())
        {
            Some(available) => request.headers.insert(AVAILABLE_DICTIONARY, available),
            None => request.headers.remove(AVAILABLE_DICTIONARY),
        };
        let value = match (&dictionary, coding) {
            (Some(_), Some(Coding::Zstd)) => HeaderValue::from_static("dcz, zstd"),
            (Some(_), Some(Coding::Br)) => HeaderValue::from_static("dcz, br"),
            (Some(_), Some(Coding::Gzip)) => HeaderValue::from_static("dcz, gzip"),
            (Some(_), _) => Coding::Dcz.value(),
            (None, Some(coding)) => coding.value(),
            (None, None) => HeaderValue::from_static("identity"),
        };
        request.headers.insert(header::ACCEPT_ENCODING, value);
        request.extensions.insert(Settled { coding, dictionary });
    }

    /// Dresses a request for the target: where answers may be dictionaries, they are asked for as they
    /// are.
    pub(crate) fn ask(&self, x: &Exchange, request: &mut Request<Body>) -> Asked {
        let settled = x.request.extensions.get::<Settled>().cloned();
        let conditions = request.headers().get_all(header::IF_NONE_MATCH).iter();
        let conditions = conditions.map(|line| (header::IF_NONE_MATCH, line.clone()));
        let asked = Asked {
            method: request.method().clone(),
            settled: settled.unwrap_or(Settled {
                coding: None,
                dictionary: None,
            }),
            origin: origin(x),
            target: request
                .uri()
                .path_and_query()
                .map_or_else(String::new, ToString::to_string),
            conditions: conditions.collect(),
        };
        if self.dictionary.is_some() {
            let headers = request.headers_mut();
            headers.remove(AVAILABLE_DICTIONARY);
            let identity = HeaderValue::from_static("identity");
            headers.insert(header::ACCEPT_ENCODING, identity);
        }
        asked
    }

    /// Compresses an answer, if it is to be.
    pub(crate) async fn apply(
        &self,
        asked: Asked,
        response: Response<Body>,
    ) -> Result<Response<Body>, ProxyError> {
        let (mut parts, mut body) = response.into_parts();
        let headers = &mut parts.headers;
        if parts.status == StatusCode::NOT_MODIFIED {
            self.not_modified(&asked, headers);
            return Ok(Response::from_parts(parts, body));
        }
        let length = length(headers, &body);
        if let Some(dictionary) = &self.dictionary {
            body = self.learn(dictionary, &asked, parts.status, headers, length, body);
        }
        let compressor = &self.coder.compressor;
        if !compressor.may(parts.status, headers, length) {
            return Ok(Response::from_parts(parts, body));
        }
        vary(headers, &header::ACCEPT_ENCODING);
        if self.dictionary.is_some() {
            vary(headers, &AVAILABLE_DICTIONARY);
        }
        // A part of the bytes as they are is no part of other bytes.
        if parts.status == StatusCode::PARTIAL_CONTENT {
            return Ok(Response::from_parts(parts, body));
        }
        let Settled { coding, dictionary } = asked.settled;
        let fits = length.is_some_and(|length| length <= self.coder.dictionaries.max_one());
        if let Some(dictionary) = dictionary.filter(|_| fits)
            && let Some(place) = compressor.place_with_dictionary()
        {
            dress(headers, Coding::Dcz);
            if asked.method == Method::HEAD {
                return Ok(Response::from_parts(parts, Body::Empty));
            }
            let level = compressor.settings().zstd_level;
            let coded = with_dictionary(level, dictionary, body, place).await?;
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(coded.len()));
            return Ok(Response::from_parts(parts, Body::full(coded)));
        }
        let (Some(coding), Some(place)) = (coding, coding.and_then(|_| compressor.place())) else {
            return Ok(Response::from_parts(parts, body));
        };
        let live = length.is_none();
        if asked.method == Method::HEAD {
            dress(headers, coding);
            return Ok(Response::from_parts(parts, Body::Empty));
        }
        let encoder = compressor.encoder(coding, length, place).map_err(failed)?;
        dress(headers, coding);
        let body = match body {
            Body::Full(Some(bytes)) if bytes.len() <= AT_ONCE => {
                let coded = encoder.whole(&bytes).map_err(failed)?;
                headers.insert(header::CONTENT_LENGTH, HeaderValue::from(coded.len()));
                Body::full(coded)
            }
            body => Body::stream(Compressed::new(body, encoder, live)),
        };
        Ok(Response::from_parts(parts, body))
    }

    /// A 304 about an answer that was compressed here names its tag as the client knows it.
    fn not_modified(&self, asked: &Asked, headers: &mut HeaderMap) {
        let Some(etag) = headers.get(header::ETAG) else {
            return;
        };
        let weak = [b"W/", etag.as_bytes()].concat();
        let mut lines = asked.conditions.values();
        let named_weak = lines.any(|line| {
            let mut tags = line.as_bytes().split(|byte| *byte == b',');
            tags.any(|tag| tag.trim_ascii() == weak)
        });
        if named_weak {
            weaken(headers);
            vary(headers, &header::ACCEPT_ENCODING);
            if self.dictionary.is_some() {
                vary(headers, &AVAILABLE_DICTIONARY);
            }
        }
    }

    /// Says that the answer is a dictionary when the route does, and remembers it as one.
    fn learn(
        &self,
        dictionary: &DictionaryRule,
        asked: &Asked,
        status: StatusCode,
        headers: &mut HeaderMap,
        length: Option<u64>,
        body: Body,
    ) -> Body {
        if status != StatusCode::OK {
            return body;
        }
        let path = asked.target.split('?').next().unwrap_or_default();
        if let Some(field) = dictionary.rule.as_ref().and_then(|rule| rule.field(path))
            && !headers.contains_key(USE_AS_DICTIONARY)
        {
            headers.insert(USE_AS_DICTIONARY, field.clone());
        }
        let whole = asked.method == Method::GET && !headers.contains_key(header::CONTENT_ENCODING);
        if !whole || !dictionary::is_dictionary(headers) {
            return body;
        }
        let etag = headers
            .get(header::ETAG)
            .and_then(|etag| etag.to_str().ok());
        let version = etag.map(|etag| format!("{} {etag}", asked.target));
        let store = &self.coder.dictionaries;
        if version
            .as_ref()
            .is_some_and(|version| store.knows(&asked.origin, version))
        {
            return body;
        }
        let origin = asked.origin.clone();
        let learning = Learning::new(body, Arc::clone(store), origin, version, length);
        Body::stream(learning)
    }
}

/// Whose dictionaries a request may have: its own origin's only (RFC 9842, section 9.3).
fn origin(x: &Exchange) -> String {
    format!("{}://{}", x.scheme, x.authority)
}

/// How long the body is, as far as that is known.
fn length(headers: &HeaderMap, body: &Body) -> Option<u64> {
    let told = headers.get(header::CONTENT_LENGTH);
    let told = told.and_then(|told| told.to_str().ok()?.parse().ok());
    told.or_else(|| body.size_hint().exact())
}

/// Reads a body whose length is known and bounded, and compresses it on a thread for that.
async fn with_dictionary(
    level: i32,
    dictionary: Arc<Dictionary>,
    body: Body,
    place: Place,
) -> Result<Bytes, ProxyError> {
    let plain = body.collect().await.map_err(|error| {
        let detail = "The upstream's answer broke off.";
        ProxyError::new(Source::Upstream, StatusCode::BAD_GATEWAY, detail).with_cause(error)
    })?;
    let plain = plain.to_bytes();
    let work = move || {
        // Held to the end of the work, even when nobody waits for it any more.
        let _place = place;
        dictionary::dcz(level, &dictionary, &plain)
    };
    let coded = tokio::task::spawn_blocking(work).await;
    let coded = coded.map_err(std::io::Error::other).and_then(|coded| coded);
    Ok(coded.map_err(failed)?.into())
}

fn failed(error: std::io::Error) -> ProxyError {
    let detail = "The answer could not be compressed.";
    ProxyError::new(Source::Edge, StatusCode::INTERNAL_SERVER_ERROR, detail).with_cause(error)
}
