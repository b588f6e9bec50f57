//! What a source is, read from its header alone: nothing is decoded before this has let it pass.

mod jpeg;

use std::io::Cursor;

use image::metadata::Orientation;
use image::{ColorType, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

use crate::format::Format;
use crate::limits::{MAX_DECODING_BYTES, MAX_PROFILE_BYTES, MAX_SOURCE_BYTES, MAX_SOURCE_PIXELS};

/// A source that may be decoded.
#[derive(Debug)]
pub struct Source {
    /// Its format, by its first bytes.
    pub format: Format,
    /// Its width as stored.
    pub width: u32,
    /// Its height as stored.
    pub height: u32,
    /// How it is turned to be seen.
    pub orientation: Orientation,
    /// Its colour profile, when it is one for red, green and blue and not too large.
    pub profile: Option<Vec<u8>>,
    /// Whether it carries metadata beside the profile.
    pub has_metadata: bool,
    /// How its pixels are stored once decoded.
    pub color: ColorType,
}

/// Why a source is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// Neither JPEG, PNG nor WebP.
    #[error("it is not a JPEG, PNG or WebP image")]
    Unknown,
    /// Larger than a bound.
    #[error("it is too large: {0}")]
    TooLarge(String),
    /// Of a kind of its format that the decoder does not read.
    #[error("it is of an unusual kind: {0}")]
    Unsupported(String),
    /// Its header or its pixels cannot be read.
    #[error("it is damaged: {0}")]
    Damaged(String),
}

impl Source {
    /// Reads the header and measures it against the bounds.
    ///
    /// # Errors
    ///
    /// See [`SourceError`].
    pub fn probe(bytes: &[u8]) -> Result<Self, SourceError> {
        if bytes.len() > MAX_SOURCE_BYTES {
            return Err(SourceError::TooLarge(format!(
                "more than {MAX_SOURCE_BYTES} bytes"
            )));
        }
        let format = Format::sniff(bytes).ok_or(SourceError::Unknown)?;
        // The decoders of PNG and WebP make nothing of the size before they are asked to decode;
        // that of JPEG is asked for the coefficients that it will hold.
        let coefficients = match format {
            Format::Jpeg => jpeg::Frame::read(bytes)?.held_bytes(),
            Format::Png | Format::WebP => 0,
        };
        let mut decoder = decoder(bytes, format)?;
        let (width, height) = decoder.dimensions();
        let color = decoder.color_type();
        let pixels = u64::from(width) * u64::from(height);
        if pixels == 0 {
            return Err(SourceError::Damaged("it has no pixels".into()));
        }
        if pixels > MAX_SOURCE_PIXELS {
            let why = format!("{width} by {height} pixels, more than {MAX_SOURCE_PIXELS} in all");
            return Err(SourceError::TooLarge(why));
        }
        let needed = pixels * decoded_bytes(format, color) + coefficients;
        if needed > MAX_DECODING_BYTES {
            let why = format!(
                "{width} by {height} pixels, which take {needed} bytes to decode, more than {MAX_DECODING_BYTES}"
            );
            return Err(SourceError::TooLarge(why));
        }
        let profile = decoder.icc_profile().ok().flatten().filter(|profile| {
            profile.len() <= MAX_PROFILE_BYTES && profile.get(16..20) == Some(b"RGB ")
        });
        let exif = decoder.exif_metadata().ok().flatten();
        let orientation = exif.as_deref().and_then(Orientation::from_exif_chunk);
        Ok(Self {
            format,
            width,
            height,
            orientation: orientation.unwrap_or(Orientation::NoTransforms),
            profile,
            has_metadata: exif.is_some() || decoder.xmp_metadata().ok().flatten().is_some(),
            color,
        })
    }

    /// Width and height as seen.
    #[must_use]
    pub fn seen_size(&self) -> (u32, u32) {
        match self.orientation {
            Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH => (self.height, self.width),
            _ => (self.width, self.height),
        }
    }
}

/// A decoder, bounded in what it may take for headers and profiles.
pub(crate) fn decoder(bytes: &[u8], format: Format) -> Result<impl ImageDecoder + '_, SourceError> {
    let mut reader = ImageReader::with_format(
        Cursor::new(bytes),
        match format {
            Format::Jpeg => ImageFormat::Jpeg,
            Format::Png => ImageFormat::Png,
            Format::WebP => ImageFormat::WebP,
        },
    );
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_DECODING_BYTES);
    reader.limits(limits);
    reader.into_decoder().map_err(SourceError::from)
}

impl From<ImageError> for SourceError {
    fn from(error: ImageError) -> Self {
        match error {
            ImageError::Limits(_) => Self::TooLarge(error.to_string()),
            ImageError::Unsupported(_) => Self::Unsupported(error.to_string()),
            _ => Self::Damaged(error.to_string()),
        }
    }
}

/// The most bytes that a pixel takes while it is decoded and made one of our kinds.
fn decoded_bytes(format: Format, color: ColorType) -> u64 {
    let stored = u64::from(color.bytes_per_pixel());
    // A pixel of grey and transparency grows to four bytes while the two are still there.
    let grown = if matches!(color, ColorType::La8 | ColorType::La16) {
        4
    } else {
        0
    };
    // The WebP decoder holds planes of a lossy frame, or four bytes of a lossless one, beside.
    let beside = if format == Format::WebP { 4 } else { 0 };
    stored + grown + beside
}

#[cfg(test)]
mod tests;
