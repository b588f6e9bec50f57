//! From pixels to a file.

use std::io::Cursor;

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};
use image_webp::{ColorType as WebPColor, EncoderParams, WebPEncoder};
use jpeg_encoder::{ColorType as JpegColor, Encoder as JpegEncoder, SamplingFactor};

use crate::format::Format;
use crate::limits::MAX_WELL_COMPRESSED_PIXELS;
use crate::pixels::{Kind, Pixels};

/// From this quality on, JPEG keeps the colours at full resolution.
const FULL_COLOUR_QUALITY: u8 = 90;

/// A file without loss is taken when it is below this share of the pixels' own bytes, one in so
/// many: drawings and screenshots are, photographs never.
const LOSSLESS_SHARE: usize = 12;

/// Pixels could not be encoded.
#[derive(Debug, thiserror::Error)]
#[error("the image cannot be encoded: {0}")]
pub struct EncodeError(String);

fn failed(error: impl std::fmt::Display) -> EncodeError {
    EncodeError(error.to_string())
}

/// How to encode.
#[derive(Clone, Copy, Debug)]
pub struct Encoding<'a> {
    /// The format.
    pub format: Format,
    /// The quality, 1 to 100, where there is loss.
    pub quality: u8,
    /// Whether the source was without loss, so that the answer may be, when that is smaller.
    pub lossless_source: bool,
    /// The colour profile, of red, green and blue.
    pub profile: Option<&'a [u8]>,
}

impl Encoding<'_> {
    /// Encodes pixels.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] when an encoder refuses them.
    pub fn encode(&self, pixels: Pixels) -> Result<Vec<u8>, EncodeError> {
        match self.format {
            Format::Jpeg => self.jpeg(&pixels.opaque()),
            Format::Png => self.png(&pixels),
            Format::WebP => self.webp(&pixels),
        }
    }

    fn profile_for(&self, pixels: &Pixels) -> Option<&[u8]> {
        self.profile.filter(|_| pixels.kind != Kind::Grey)
    }

    fn jpeg(&self, pixels: &Pixels) -> Result<Vec<u8>, EncodeError> {
        let mut file = Vec::new();
        let mut encoder = JpegEncoder::new(&mut file, self.quality);
        encoder.set_sampling_factor(if self.quality < FULL_COLOUR_QUALITY {
            SamplingFactor::F_2_2
        } else {
            SamplingFactor::F_1_1
        });
        // Tables made to measure would save a fifth, but the library then writes one scan for each
        // component, which not every decoder reads; ours, for one, gets the colours wrong.
        if let Some(profile) = self.profile_for(pixels) {
            encoder.add_icc_profile(profile).map_err(failed)?;
        }
        let side = |side: u32| u16::try_from(side).map_err(failed);
        let color = if pixels.kind == Kind::Grey {
            JpegColor::Luma
        } else {
            JpegColor::Rgb
        };
        encoder
            .encode(
                &pixels.data,
                side(pixels.width)?,
                side(pixels.height)?,
                color,
            )
            .map_err(failed)?;
        Ok(file)
    }

    fn png(&self, pixels: &Pixels) -> Result<Vec<u8>, EncodeError> {
        let mut file = Vec::new();
        let pixel_count = u64::from(pixels.width) * u64::from(pixels.height);
        let mut encoder = PngEncoder::new_with_quality(
            Cursor::new(&mut file),
            if pixel_count <= MAX_WELL_COMPRESSED_PIXELS {
                CompressionType::Default
            } else {
                CompressionType::Fast
            },
            FilterType::Adaptive,
        );
        if let Some(profile) = self.profile_for(pixels) {
            encoder.set_icc_profile(profile.to_vec()).map_err(failed)?;
        }
        let color = match pixels.kind {
            Kind::Grey => ExtendedColorType::L8,
            Kind::Rgb => ExtendedColorType::Rgb8,
            Kind::Rgba => ExtendedColorType::Rgba8,
        };
        encoder
            .write_image(&pixels.data, pixels.width, pixels.height, color)
            .map_err(failed)?;
        Ok(file)
    }

    fn webp(&self, pixels: &Pixels) -> Result<Vec<u8>, EncodeError> {
        if self.lossless_source {
            let file = self.webp_file(pixels, false)?;
            if file.len() < pixels.data.len() / LOSSLESS_SHARE {
                return Ok(file);
            }
        }
        self.webp_file(pixels, true)
    }

    fn webp_file(&self, pixels: &Pixels, lossy: bool) -> Result<Vec<u8>, EncodeError> {
        let mut file = Vec::new();
        let mut encoder = WebPEncoder::new(&mut file);
        let mut params = EncoderParams::default();
        params.use_lossy = lossy;
        params.lossy_quality = self.quality;
        encoder.set_params(params);
        if let Some(profile) = self.profile_for(pixels) {
            encoder.set_icc_profile(profile.to_vec());
        }
        let color = match pixels.kind {
            Kind::Grey => WebPColor::L8,
            Kind::Rgb => WebPColor::Rgb8,
            Kind::Rgba => WebPColor::Rgba8,
        };
        encoder
            .encode(&pixels.data, pixels.width, pixels.height, color)
            .map_err(failed)?;
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source;
    use crate::testing::{difference, drawing, photo, read};

    fn pixels(image: &image::DynamicImage) -> Pixels {
        let (width, height) = (image.width(), image.height());
        Pixels {
            kind: Kind::Rgb,
            width,
            height,
            data: image.to_rgb8().into_raw(),
        }
    }

    fn encoding(format: Format, quality: u8) -> Encoding<'static> {
        Encoding {
            format,
            quality,
            lossless_source: false,
            profile: None,
        }
    }

    #[test]
    fn each_format_shows_the_same_picture() {
        let picture = photo(200, 150);
        for (format, most) in [(Format::Jpeg, 5.0), (Format::Png, 0.0), (Format::WebP, 6.0)] {
            let file = encoding(format, 80).encode(pixels(&picture)).unwrap();
            assert_eq!(Format::sniff(&file), Some(format));
            let read = read(&file).to_rgb8();
            let difference = difference(&picture.to_rgb8(), &read);
            assert!(
                difference <= most,
                "{format:?} differs by {difference} on average"
            );
        }
    }

    #[test]
    fn quality_trades_size() {
        let picture = photo(200, 150);
        for format in [Format::Jpeg, Format::WebP] {
            let size = |quality| {
                encoding(format, quality)
                    .encode(pixels(&picture))
                    .unwrap()
                    .len()
            };
            let sizes = [size(10), size(50), size(80), size(100)];
            assert!(sizes.is_sorted_by(|a, b| a < b), "{format:?}: {sizes:?}");
        }
    }

    #[test]
    fn a_photograph_is_smallest_as_webp_even_from_a_lossless_source() {
        let picture = photo(400, 300);
        let mut encoding = encoding(Format::WebP, 80);
        encoding.lossless_source = true;
        let webp = encoding.encode(pixels(&picture)).unwrap().len();
        let jpeg = Encoding {
            format: Format::Jpeg,
            ..encoding
        }
        .encode(pixels(&picture))
        .unwrap();
        let png = Encoding {
            format: Format::Png,
            ..encoding
        }
        .encode(pixels(&picture))
        .unwrap();
        assert!(
            webp < jpeg.len() && jpeg.len() < png.len() / 4,
            "{webp} {} {}",
            jpeg.len(),
            png.len()
        );
    }

    #[test]
    fn a_drawing_from_a_lossless_source_keeps_every_pixel_as_webp() {
        let picture = drawing(400, 300);
        let mut encoding = encoding(Format::WebP, 80);
        encoding.lossless_source = true;
        let file = encoding.encode(pixels(&picture)).unwrap();
        assert_eq!(read(&file).to_rgb8(), picture.to_rgb8());
    }

    #[test]
    fn transparency_survives_in_png_and_webp() {
        let mut image = photo(64, 48).to_rgba8();
        for (x, _, pixel) in image.enumerate_pixels_mut() {
            pixel[3] = u8::try_from(x * 4).unwrap();
        }
        let pixels = Pixels {
            kind: Kind::Rgba,
            width: 64,
            height: 48,
            data: image.clone().into_raw(),
        };
        for format in [Format::Png, Format::WebP] {
            let read = read(&encoding(format, 80).encode(pixels.clone()).unwrap()).to_rgba8();
            for (expected, found) in image.pixels().zip(read.pixels()) {
                assert_eq!(expected[3], found[3]);
            }
        }
        let flat = read(&encoding(Format::Jpeg, 90).encode(pixels).unwrap());
        assert!(
            flat.to_rgb8()
                .get_pixel(0, 0)
                .0
                .iter()
                .all(|value| *value > 240)
        );
    }

    #[test]
    fn grey_is_encoded_in_every_format() {
        let data = (0..64)
            .flat_map(|y| (0..64).map(move |x| x * 2 + y))
            .collect();
        let pixels = Pixels {
            kind: Kind::Grey,
            width: 64,
            height: 64,
            data,
        };
        for format in [Format::Jpeg, Format::Png, Format::WebP] {
            let read = read(&encoding(format, 90).encode(pixels.clone()).unwrap()).to_luma8();
            let off = read
                .as_raw()
                .iter()
                .zip(&pixels.data)
                .map(|(a, b)| a.abs_diff(*b))
                .max();
            assert!(off < Some(24), "{format:?}: {off:?}");
        }
    }

    #[test]
    fn the_profile_is_passed_on_and_not_to_grey() {
        let mut profile = vec![0; 200];
        profile[16..20].copy_from_slice(b"RGB ");
        let picture = photo(32, 32);
        let grey = Pixels {
            kind: Kind::Grey,
            width: 2,
            height: 1,
            data: vec![1, 2],
        };
        for format in [Format::Jpeg, Format::Png, Format::WebP] {
            let encoding = Encoding {
                profile: Some(&profile),
                ..encoding(format, 80)
            };
            let file = encoding.encode(pixels(&picture)).unwrap();
            assert_eq!(
                Source::probe(&file).unwrap().profile.as_ref(),
                Some(&profile),
                "{format:?}"
            );
            let file = encoding.encode(grey.clone()).unwrap();
            assert_eq!(Source::probe(&file).unwrap().profile, None, "{format:?}");
        }
    }
}
