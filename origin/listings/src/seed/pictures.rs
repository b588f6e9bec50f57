//! Sample pictures: a gradient with a few shapes, as JPEG and PNG.
//!
//! Drawn line by line with copies of bytes, which are fast in a build without optimisation too.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::{ImageError, ImageFormat, RgbImage};

use super::random::Random;

const WIDTH: u32 = 1200;
const HEIGHT: u32 = 900;
/// How many there are.
pub(super) const COUNT: usize = 24;

/// All of them; the same bytes every time.
pub(super) fn make_all() -> Result<Vec<Vec<u8>>, ImageError> {
    (0..COUNT as u64).map(make).collect()
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

/// A disc or a bar of one colour.
struct Shape {
    x: i64,
    y: i64,
    radius: i64,
    round: bool,
    /// A line of its colour, as long as the picture is wide.
    line: Vec<u8>,
}

impl Shape {
    fn random(random: &mut Random) -> Self {
        Self {
            line: line(color(random)),
            radius: 50 + random.below(150) as i64,
            x: random.below(WIDTH.into()) as i64,
            y: random.below(HEIGHT.into()) as i64,
            round: random.below(2) == 0,
        }
    }

    /// How far it reaches to both sides of its middle at a height; none where it is not.
    fn reach(&self, y: i64) -> Option<i64> {
        let dy = (y - self.y).abs();
        if self.round {
            (dy <= self.radius).then(|| (self.radius * self.radius - dy * dy).isqrt())
        } else {
            (dy * 2 <= self.radius).then_some(self.radius)
        }
    }
}

fn draw(random: &mut Random) -> RgbImage {
    let (top, bottom) = (color(random), color(random));
    let shapes: Vec<Shape> = (0..5).map(|_| Shape::random(random)).collect();
    let mut pixels = Vec::with_capacity((WIDTH * HEIGHT * 3) as usize);
    for y in 0..HEIGHT {
        let blend = |channel: usize| {
            let (a, b) = (u32::from(top[channel]), u32::from(bottom[channel]));
            ((a * (HEIGHT - y) + b * y) / HEIGHT) as u8
        };
        let start = pixels.len();
        pixels.extend(line([blend(0), blend(1), blend(2)]));
        for shape in &shapes {
            let Some(reach) = shape.reach(y.into()) else {
                continue;
            };
            let column = |x: i64| x.clamp(0, WIDTH.into()) as usize * 3;
            let (from, to) = (column(shape.x - reach), column(shape.x + reach + 1));
            pixels[start + from..start + to].copy_from_slice(&shape.line[from..to]);
        }
    }
    RgbImage::from_raw(WIDTH, HEIGHT, pixels).expect("three bytes for every pixel")
}

fn line(color: [u8; 3]) -> Vec<u8> {
    color.repeat(WIDTH as usize)
}

fn color(random: &mut Random) -> [u8; 3] {
    let mut channel = || random.below(200) as u8 + 40;
    [channel(), channel(), channel()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_pictures_and_differ() {
        let one = draw(&mut Random::new(1));
        assert_eq!(one.dimensions(), (WIDTH, HEIGHT));
        assert_ne!(one, draw(&mut Random::new(2)));
        let top = one.get_pixel(0, 0);
        assert_ne!(top, one.get_pixel(0, HEIGHT - 1), "a gradient");
        let mut colors: Vec<_> = one.pixels().map(|pixel| pixel.0).collect();
        colors.sort_unstable();
        colors.dedup();
        assert!(colors.len() > 100, "{} colours", colors.len());
    }
}
