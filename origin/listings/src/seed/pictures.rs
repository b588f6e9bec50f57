//! Sample pictures: a gradient with a few shapes, as JPEG and PNG.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::{ImageError, ImageFormat, Rgb, RgbImage};

use super::random::Random;

const WIDTH: u32 = 960;
const HEIGHT: u32 = 720;
/// How many there are.
const COUNT: u64 = 24;

/// All of them; the same bytes every time.
pub(super) fn make_all() -> Result<Vec<Vec<u8>>, ImageError> {
    (0..COUNT).map(make).collect()
}

fn make(index: u64) -> Result<Vec<u8>, ImageError> {
    let picture = draw(&mut Random::new(0x91c7_0000 + index));
    let mut bytes = Vec::new();
    if index.is_multiple_of(8) {
        picture.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png)?;
    } else {
        picture.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, 85))?;
    }
    Ok(bytes)
}

fn draw(random: &mut Random) -> RgbImage {
    let mut color = || {
        [
            random.below(200) as u8 + 40,
            random.below(200) as u8 + 40,
            random.below(200) as u8 + 40,
        ]
    };
    let (top, bottom) = (color(), color());
    let shapes: Vec<[u8; 3]> = (0..5).map(|_| color()).collect();
    let mut picture = RgbImage::new(WIDTH, HEIGHT);
    for (y, row) in picture.rows_mut().enumerate() {
        let blend = |channel: usize| {
            let (a, b) = (u32::from(top[channel]), u32::from(bottom[channel]));
            ((a * (HEIGHT - y as u32) + b * y as u32) / HEIGHT) as u8
        };
        let line = Rgb([blend(0), blend(1), blend(2)]);
        row.for_each(|pixel| *pixel = line);
    }
    for shape in shapes {
        let radius = 40 + random.below(120) as i64;
        let (x, y) = (
            random.below(WIDTH.into()) as i64,
            random.below(HEIGHT.into()) as i64,
        );
        if random.below(2) == 0 {
            fill(&mut picture, x, y, radius, Rgb(shape), |dx, dy| {
                dx * dx + dy * dy <= radius * radius
            });
        } else {
            fill(&mut picture, x, y, radius, Rgb(shape), |_, dy| {
                dy.abs() * 2 <= radius
            });
        }
    }
    picture
}

fn fill(
    picture: &mut RgbImage,
    x: i64,
    y: i64,
    radius: i64,
    color: Rgb<u8>,
    inside: impl Fn(i64, i64) -> bool,
) {
    for dy in -radius..=radius {
        for dx in -radius..=radius {
            let (px, py) = (x + dx, y + dy);
            let visible =
                (0..i64::from(WIDTH)).contains(&px) && (0..i64::from(HEIGHT)).contains(&py);
            if visible && inside(dx, dy) {
                picture.put_pixel(px as u32, py as u32, color);
            }
        }
    }
}
