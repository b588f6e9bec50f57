//! All steps in a row: from a source's bytes to an answer's.

use crate::accept::Accept;
use crate::decode::decode;
use crate::encode::Encoding;
use crate::format::Format;
use crate::geometry::Geometry;
use crate::limits::MAX_WEBP_PIXELS;
use crate::params::{ParamError, Params};
use crate::resize::{fits, resize};
use crate::source::{Source, SourceError};

/// A finished image.
#[derive(Debug)]
pub struct Made {
    /// Its format.
    pub format: Format,
    /// The file.
    pub file: Vec<u8>,
}

/// Why an image was not made.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// A parameter does not go with this source.
    #[error(transparent)]
    Param(#[from] ParamError),
    /// The source is at fault.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The client accepts nothing that this source can be made into.
    #[error("nothing that `Accept` allows can be made of this image")]
    NotAcceptable,
    /// The fault is our own.
    #[error("{0}")]
    Internal(String),
}

/// Makes what the parameters ask for. `accept` is looked at when they name no format.
///
/// # Errors
///
/// See [`MakeError`].
pub fn make(bytes: Vec<u8>, params: &Params, accept: &Accept) -> Result<Made, MakeError> {
    let source = Source::probe(&bytes)?;
    let (width, height) = source.seen_size();
    let plan = Geometry::plan(params, width, height)?;
    let webp_possible = plan.pixels() <= MAX_WEBP_PIXELS;
    if params.format == Some(Format::WebP) && !webp_possible {
        let why = format!(
            "a WebP answer has at most {MAX_WEBP_PIXELS} pixels, and this would have {}",
            plan.pixels()
        );
        return Err(ParamError::new("format", why).into());
    }
    let stored = plan.stored(source.orientation, source.width, source.height);
    let channels = usize::from(source.color.channel_count()).max(1);
    if !fits(&stored, source.width, source.height, channels) {
        let name = if params.width.is_some() { "w" } else { "h" };
        let why = "from an image this large, a smaller answer must be asked for";
        return Err(ParamError::new(name, why).into());
    }

    let pixels = decode(&source, &bytes)?;
    let untouched = params.is_plain()
        && !source.has_metadata
        && (plan.width, plan.height) == (source.width, source.height);
    // The file itself is only kept when it may be the answer: resizing needs its memory.
    let original = untouched.then_some(bytes);
    let pixels = resize(pixels, &stored)
        .map_err(|error| MakeError::Internal(error.to_string()))?
        .oriented(source.orientation)
        .without_idle_opacity();
    let format = match params.format {
        Some(format) => format,
        None => accept
            .choose(source.format, pixels.is_transparent(), webp_possible)
            .ok_or(MakeError::NotAcceptable)?,
    };
    // Encoding once more would only lose quality.
    if let (Some(file), true) = (original, format == source.format) {
        return Ok(Made { format, file });
    }
    let encoding = Encoding {
        format,
        quality: params.quality(),
        lossless_source: source.format == Format::Png,
        profile: source.profile.as_deref(),
    };
    let file = encoding
        .encode(pixels)
        .map_err(|error| MakeError::Internal(error.to_string()))?;
    Ok(Made { format, file })
}

#[cfg(test)]
mod tests;
