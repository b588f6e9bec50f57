//! Sources that are fine, and sources made to do harm.

use super::*;
use crate::testing::{exif, jpeg, photo, png, png_header, webp, with_exif};

fn refused(bytes: &[u8]) -> SourceError {
    Source::probe(bytes).unwrap_err()
}

#[test]
fn the_header_tells_format_and_size() {
    let picture = photo(60, 40);
    for (bytes, format) in [
        (jpeg(&picture), Format::Jpeg),
        (png(&picture), Format::Png),
        (webp(&picture), Format::WebP),
    ] {
        let source = Source::probe(&bytes).unwrap();
        assert_eq!(
            (source.format, source.width, source.height),
            (format, 60, 40)
        );
        assert_eq!(source.orientation, Orientation::NoTransforms);
        assert!(!source.has_metadata);
    }
}

#[test]
fn the_orientation_is_read_from_exif() {
    let source = Source::probe(&with_exif(&jpeg(&photo(60, 40)), &exif(6))).unwrap();
    assert_eq!(source.orientation, Orientation::Rotate90);
    assert!(source.has_metadata);
    assert_eq!(
        (source.width, source.height, source.seen_size()),
        (60, 40, (40, 60))
    );
}

#[test]
fn malformed_exif_does_not_matter() {
    for metadata in [&b""[..], b"MM", b"II*\0\xff\xff\xff\xff", &exif(99)] {
        let source = Source::probe(&with_exif(&jpeg(&photo(60, 40)), metadata)).unwrap();
        assert_eq!(source.orientation, Orientation::NoTransforms);
    }
}

#[test]
fn what_is_no_image_is_unknown() {
    for bytes in [
        &b""[..],
        b"GIF89a\x01\0\x01\0",
        b"<svg/>",
        b"<html>",
        b"%PDF-1.7",
    ] {
        assert_eq!(refused(bytes), SourceError::Unknown);
    }
}

#[test]
fn a_bomb_is_refused_by_its_header() {
    // A few dozen bytes that would decode to gigabytes.
    for (width, height) in [(100_000, 100_000), (40_000_001, 1), (1 << 30, 1 << 30)] {
        let error = refused(&png_header(width, height, 6));
        assert!(matches!(error, SourceError::TooLarge(_)), "{error:?}");
    }
    let mut bytes = jpeg(&photo(16, 16));
    let frame = bytes
        .windows(2)
        .position(|pair| pair == [0xff, 0xc0])
        .unwrap();
    bytes[frame + 5..frame + 9].copy_from_slice(&[0xff, 0xff, 0xff, 0xff]);
    let error = refused(&bytes);
    assert!(matches!(error, SourceError::TooLarge(_)), "{error:?}");
}

#[test]
fn memory_bounds_the_pixels_of_each_kind() {
    // 22 million pixels are fine at 3 bytes each, and too many at 6 or 8.
    assert!(Source::probe(&png_header(5500, 4000, 2)).is_ok());
    let deep = |mut header: Vec<u8>| {
        header[24] = 16;
        crate::testing::fix_header_checksum(&mut header);
        header
    };
    let error = refused(&deep(png_header(5500, 4000, 2)));
    assert!(
        error.to_string().contains("132000000 bytes to decode"),
        "{error}"
    );
    let error = refused(&deep(png_header(5500, 4000, 6)));
    assert!(
        error.to_string().contains("176000000 bytes to decode"),
        "{error}"
    );
}

#[test]
fn too_many_bytes_are_refused_unread() {
    let mut bytes = png(&photo(4, 4));
    bytes.resize(MAX_SOURCE_BYTES + 1, 0);
    assert!(matches!(refused(&bytes), SourceError::TooLarge(_)));
}

#[test]
fn an_image_without_pixels_is_damaged() {
    let error = refused(&png_header(0, 10, 6));
    assert!(matches!(error, SourceError::Damaged(_)), "{error:?}");
}
