//! What a route does with content of its own: files of a folder as its target, and answers that are
//! compressed on their way. The work is `zephyr-content`'s; here is where it stands on a request's way.
//!
//! Which coding a client gets is settled before the cache is asked, and written into the request in
//! place of what the client sent: so the cache keeps one answer for each coding that is offered, and
//! not one for each browser. An answer is compressed when it arrives from the target, before it is
//! stored ([`compress`]): a hit costs nothing.

mod compress;
mod files;

pub(crate) use compress::{Coder, Compress};
pub(crate) use files::serve;

use zephyr_content::Coding;
use zephyr_content::files::Options;

use crate::config;

/// A coding of the configuration.
fn coding(coding: config::Coding) -> Coding {
    match coding {
        config::Coding::Zstd => Coding::Zstd,
        config::Coding::Br => Coding::Br,
        config::Coding::Gzip => Coding::Gzip,
    }
}

/// How a folder of the configuration is served.
pub(crate) fn options(files: &config::Files, compress: bool) -> Options {
    let value = |text: &String| http::HeaderValue::from_str(text).ok();
    Options {
        root: files.root.clone(),
        strip: files.strip.clone(),
        index: files.index.clone(),
        fallback: files.fallback.clone(),
        precompressed: files.precompressed.iter().copied().map(coding).collect(),
        cache_control: files.cache_control.as_ref().and_then(value),
        compressed_later: compress,
    }
}
