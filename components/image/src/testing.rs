//! Pictures for tests, made by arithmetic, and files made of them.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};

/// A picture as a camera takes one: soft shapes, a little noise, the same on every run.
pub(crate) fn photo(width: u32, height: u32) -> DynamicImage {
    let mut noise = 0x2545_f491_4f6c_dd1d_u64;
    DynamicImage::from(RgbImage::from_fn(width, height, |x, y| {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        let (u, v) = (
            f64::from(x) / f64::from(width),
            f64::from(y) / f64::from(height),
        );
        let wave = |a: f64, b: f64, c: f64| ((a * u + b * v).sin() * (c * u * v).cos() + 1.0) / 2.0;
        let grain = f64::from((noise >> 60) as u8) / 4.0;
        Rgb([
            wave(5.0, 2.0, 9.0),
            wave(1.0, 7.0, 4.0),
            wave(3.0, 3.0, 12.0),
        ]
        .map(|value| (value * 230.0 + 10.0 + grain) as u8))
    }))
}

/// A picture as a program draws one: few colours, sharp edges.
pub(crate) fn drawing(width: u32, height: u32) -> DynamicImage {
    DynamicImage::from(RgbImage::from_fn(width, height, |x, y| {
        Rgb(match (x / 40 + y / 30) % 3 {
            0 => [255, 255, 255],
            1 => [20, 60, 200],
            _ => [0, 0, 0],
        })
    }))
}

pub(crate) fn jpeg(image: &DynamicImage) -> Vec<u8> {
    file(image, ImageFormat::Jpeg)
}

pub(crate) fn png(image: &DynamicImage) -> Vec<u8> {
    file(image, ImageFormat::Png)
}

/// WebP without loss.
pub(crate) fn webp(image: &DynamicImage) -> Vec<u8> {
    file(image, ImageFormat::WebP)
}

fn file(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    image.write_to(&mut file, format).unwrap();
    file.into_inner()
}

pub(crate) fn read(file: &[u8]) -> DynamicImage {
    image::load_from_memory(file).unwrap()
}

/// The mean difference of two pictures, 0 to 255.
pub(crate) fn difference(a: &RgbImage, b: &RgbImage) -> f64 {
    assert_eq!(a.dimensions(), b.dimensions());
    let sum: u64 = a
        .iter()
        .zip(b.iter())
        .map(|(a, b)| u64::from(a.abs_diff(*b)))
        .sum();
    sum as f64 / a.len() as f64
}

/// EXIF that holds an orientation and nothing else (CIPA DC-008, 4.6.2).
pub(crate) fn exif(orientation: u8) -> Vec<u8> {
    let mut exif = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
    exif
}

/// A JPEG with EXIF in it.
pub(crate) fn with_exif(jpeg: &[u8], exif: &[u8]) -> Vec<u8> {
    let mut segment = b"Exif\0\0".to_vec();
    segment.extend(exif);
    let length = u16::try_from(segment.len() + 2).unwrap().to_be_bytes();
    [&jpeg[..2], b"\xff\xe1", &length, &segment, &jpeg[2..]].concat()
}

/// A PNG that announces a size and has no pixels. Colour type 2 is red, green and blue; 6 has
/// opacity too.
pub(crate) fn png_header(width: u32, height: u32, color: u8) -> Vec<u8> {
    let mut file = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    file.extend(width.to_be_bytes());
    file.extend(height.to_be_bytes());
    file.extend([8, color, 0, 0, 0, 0, 0, 0, 0]);
    fix_header_checksum(&mut file);
    file.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e");
    file
}

/// Writes the checksum of a PNG's first chunk (PNG, section 5.3).
pub(crate) fn fix_header_checksum(file: &mut [u8]) {
    let mut crc = u32::MAX;
    for byte in &file[12..29] {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 };
        }
    }
    file[29..33].copy_from_slice(&(!crc).to_be_bytes());
}
