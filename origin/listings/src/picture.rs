//! Pictures on their way in: what they really are, and how large.

use std::io::Cursor;

use image::{ImageFormat, ImageReader};
use sha2::{Digest as _, Sha256};
use zephyr_origin_core::ApiError;

/// Largest picture, in bytes.
pub(crate) const MAX_BYTES: usize = 5 * 1024 * 1024;
/// Most pixels. A small file can claim any number of them.
const MAX_PIXELS: u64 = 40_000_000;

/// A picture that was looked at.
#[derive(Debug)]
pub(crate) struct Picture {
    pub(crate) id: String,
    pub(crate) media_type: &'static str,
    pub(crate) width: i32,
    pub(crate) height: i32,
}

/// Reads the picture's head; its bytes say what it is, not its sender.
pub(crate) fn inspect(bytes: &[u8]) -> Result<Picture, ApiError> {
    let wrong =
        || ApiError::unsupported_media_type("The body must be a JPEG, PNG or WebP picture.");
    let format = image::guess_format(bytes).map_err(|_| wrong())?;
    let media_type = match format {
        ImageFormat::Jpeg => "image/jpeg",
        ImageFormat::Png => "image/png",
        ImageFormat::WebP => "image/webp",
        _ => return Err(wrong()),
    };
    let (width, height) = ImageReader::with_format(Cursor::new(bytes), format)
        .into_dimensions()
        .map_err(|error| ApiError::bad_request(format!("The picture is broken: {error}.")))?;
    if u64::from(width) * u64::from(height) > MAX_PIXELS || width == 0 || height == 0 {
        let detail =
            format!("The picture has {width} x {height} pixels; at most 40 million are taken.");
        return Err(ApiError::too_large(detail));
    }
    let side = |pixels: u32| i32::try_from(pixels).map_err(|_| wrong());
    let hash = Sha256::digest(bytes);
    let id = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Picture {
        id,
        media_type,
        width: side(width)?,
        height: side(height)?,
    })
}

/// Whether a text can be a picture's id.
pub(crate) fn is_id(text: &str) -> bool {
    text.len() == 64
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_say_what_a_picture_is() {
        let mut png = Cursor::new(Vec::new());
        image::RgbImage::new(4, 3)
            .write_to(&mut png, ImageFormat::Png)
            .unwrap();
        let png = png.into_inner();
        let picture = inspect(&png).unwrap();
        assert_eq!(
            (picture.media_type, picture.width, picture.height),
            ("image/png", 4, 3)
        );
        assert!(is_id(&picture.id));

        assert_eq!(inspect(b"<svg/>").unwrap_err().status(), 415);
        assert_eq!(inspect(&png[..20]).unwrap_err().status(), 400);
        let mut bomb = png;
        bomb[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
        let status = inspect(&bomb).unwrap_err().status();
        assert!(
            status == 413 || status == 400,
            "{status}: 65536 x 65536 pixels, or a bad checksum"
        );
    }
}
