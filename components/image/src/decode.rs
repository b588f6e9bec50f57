//! From a file to pixels. Only a [`Source`] can be decoded, so only what has been measured is.

use image::{ColorType, ImageDecoder};

use crate::pixels::{Kind, Pixels};
use crate::source::{Source, SourceError, decoder};

/// Decodes the bytes that the source was read from.
///
/// # Errors
///
/// [`SourceError::Damaged`].
pub fn decode(source: &Source, bytes: &[u8]) -> Result<Pixels, SourceError> {
    let decoder = decoder(bytes, source.format)?;
    let length = usize::try_from(decoder.total_bytes()).unwrap_or(usize::MAX);
    let mut data = vec![0; length];
    decoder.read_image(&mut data)?;
    let (kind, data) = match source.color {
        ColorType::L8 => (Kind::Grey, data),
        ColorType::Rgb8 => (Kind::Rgb, data),
        ColorType::Rgba8 => (Kind::Rgba, data),
        ColorType::La8 => (Kind::Rgba, spread(&data)),
        ColorType::L16 => (Kind::Grey, narrowed(data)),
        ColorType::Rgb16 => (Kind::Rgb, narrowed(data)),
        ColorType::Rgba16 => (Kind::Rgba, narrowed(data)),
        ColorType::La16 => (Kind::Rgba, spread(&narrowed(data))),
        other => {
            return Err(SourceError::Unsupported(format!(
                "its pixels are {other:?}"
            )));
        }
    };
    Ok(Pixels {
        kind,
        width: source.width,
        height: source.height,
        data,
    })
}

/// From 16 bits to 8, in place.
fn narrowed(mut data: Vec<u8>) -> Vec<u8> {
    let count = data.len() / 2;
    for n in 0..count {
        let wide = u16::from_ne_bytes([data[n * 2], data[n * 2 + 1]]);
        // Rounded: 65535 is 255 times 257.
        data[n] = u8::try_from((u32::from(wide) + 128) / 257).unwrap_or(u8::MAX);
    }
    data.truncate(count);
    data.shrink_to_fit();
    data
}

/// From grey and opacity to colour and opacity.
fn spread(data: &[u8]) -> Vec<u8> {
    let mut spread = Vec::with_capacity(data.len() * 2);
    for pixel in data.chunks_exact(2) {
        spread.extend([pixel[0], pixel[0], pixel[0], pixel[1]]);
    }
    spread
}

#[cfg(test)]
mod tests {
    use image::{DynamicImage, ImageBuffer, Luma, LumaA, Rgb};

    use super::*;
    use crate::testing::{jpeg, photo, png, webp};

    fn decoded(bytes: &[u8]) -> Result<Pixels, SourceError> {
        decode(&Source::probe(bytes)?, bytes)
    }

    #[test]
    fn formats_without_loss_decode_to_the_very_pixels() {
        let picture = photo(61, 37);
        let expected = picture.to_rgb8().into_raw();
        assert_eq!(decoded(&png(&picture)).unwrap().data, expected);
        assert_eq!(decoded(&webp(&picture)).unwrap().data, expected);
        let pixels = decoded(&jpeg(&picture)).unwrap();
        assert_eq!(
            (pixels.kind, pixels.width, pixels.height),
            (Kind::Rgb, 61, 37)
        );
    }

    #[test]
    fn all_kinds_of_pixels_become_one_of_ours() {
        let grey = DynamicImage::from(ImageBuffer::from_pixel(2, 1, Luma([7_u8])));
        let faint = DynamicImage::from(ImageBuffer::from_pixel(2, 1, LumaA([7_u8, 9])));
        let deep = DynamicImage::from(ImageBuffer::from_pixel(2, 1, Rgb([0_u16, 65535, 257])));
        let deep_faint = DynamicImage::from(ImageBuffer::from_pixel(2, 1, LumaA([257_u16, 514])));
        let decoded = |image: &DynamicImage| {
            let pixels = decoded(&png(image)).unwrap();
            (pixels.kind, pixels.data)
        };
        assert_eq!(decoded(&grey), (Kind::Grey, vec![7, 7]));
        assert_eq!(decoded(&faint), (Kind::Rgba, vec![7, 7, 7, 9, 7, 7, 7, 9]));
        assert_eq!(decoded(&deep), (Kind::Rgb, vec![0, 255, 1, 0, 255, 1]));
        assert_eq!(
            decoded(&deep_faint),
            (Kind::Rgba, vec![1, 1, 1, 2, 1, 1, 1, 2])
        );
    }

    #[test]
    fn a_file_that_is_cut_off_is_damaged() {
        let picture = photo(60, 40);
        for bytes in [jpeg(&picture), png(&picture), webp(&picture)] {
            for length in (0..bytes.len() - 20).step_by(37) {
                assert!(
                    decoded(&bytes[..length]).is_err(),
                    "{length} of {} bytes",
                    bytes.len()
                );
            }
        }
    }

    #[test]
    fn no_damage_makes_it_panic() {
        let picture = photo(48, 32);
        for bytes in [jpeg(&picture), png(&picture), webp(&picture)] {
            for at in 0..bytes.len() {
                for flipped in [0xff, 0x01] {
                    let mut damaged = bytes.clone();
                    damaged[at] ^= flipped;
                    // Most are refused; some give other pixels of the size that was announced.
                    if let Ok(pixels) = decoded(&damaged) {
                        let count = pixels.width as usize * pixels.height as usize;
                        assert_eq!(pixels.data.len(), count * pixels.kind.bytes());
                    }
                }
            }
        }
    }
}
