//! From many pixels to few, in as little memory as that takes.
//!
//! Where the image shrinks by four or more, whole blocks of pixels are averaged first, within the
//! memory they stand in, so that at least a factor of two is left for the Lanczos filter. So a
//! large photograph never needs its own size again for the filter's first pass.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, MulDiv, PixelType, ResizeAlg, ResizeOptions, Resizer};

use crate::geometry::Geometry;
use crate::limits::MAX_RESIZING_BYTES;
use crate::pixels::{Kind, Pixels};

/// Pixels could not be resized.
#[derive(Debug, thiserror::Error)]
#[error("the image cannot be resized: {0}")]
pub struct ResizeError(String);

fn failed(error: impl std::fmt::Display) -> ResizeError {
    ResizeError(error.to_string())
}

/// Cuts out and resizes. The plan is one for pixels as they are stored.
///
/// # Errors
///
/// [`ResizeError`] when the plan does not go with the pixels.
pub fn resize(mut pixels: Pixels, plan: &Geometry) -> Result<Pixels, ResizeError> {
    let frame = Frame::around(plan, pixels.width, pixels.height);
    frame.cut_out(&mut pixels);
    let (mut x, mut y) = (
        plan.part.x - f64::from(frame.x),
        plan.part.y - f64::from(frame.y),
    );
    let (mut width, mut height) = (plan.part.width, plan.part.height);
    let whole = width == f64::from(pixels.width) && height == f64::from(pixels.height);
    if whole && (plan.width, plan.height) == (pixels.width, pixels.height) {
        return Ok(pixels);
    }

    let pixel_type = match pixels.kind {
        Kind::Grey => PixelType::U8,
        Kind::Rgb => PixelType::U8x3,
        Kind::Rgba => PixelType::U8x4,
    };
    let mul_div = MulDiv::new();
    // Colours count by their opacity; done in place here, not in a copy by the resizer.
    if pixels.kind == Kind::Rgba {
        let mut view =
            Image::from_slice_u8(pixels.width, pixels.height, &mut pixels.data, pixel_type)
                .map_err(failed)?;
        mul_div.multiply_alpha_inplace(&mut view).map_err(failed)?;
    }
    let factor = frame.block_factor(plan, pixels.kind.bytes());
    if factor > 1 {
        average_blocks(&mut pixels, factor);
        for length in [&mut x, &mut y, &mut width, &mut height] {
            *length /= f64::from(factor);
        }
    }

    let source =
        ImageRef::new(pixels.width, pixels.height, &pixels.data, pixel_type).map_err(failed)?;
    let mut resized = Image::new(plan.width, plan.height, pixel_type);
    // Fractions may stick out by a rounding error.
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3))
        .crop(
            x,
            y,
            width.min(f64::from(pixels.width) - x),
            height.min(f64::from(pixels.height) - y),
        )
        .use_alpha(false);
    Resizer::new()
        .resize(&source, &mut resized, &options)
        .map_err(failed)?;
    let kind = pixels.kind;
    drop(pixels);
    if kind == Kind::Rgba {
        mul_div.divide_alpha_inplace(&mut resized).map_err(failed)?;
    }
    Ok(Pixels {
        kind,
        width: plan.width,
        height: plan.height,
        data: resized.into_vec(),
    })
}

/// Whether resizing a source of this size fits the memory for it.
#[must_use]
pub fn fits(plan: &Geometry, width: u32, height: u32, bytes: usize) -> bool {
    let frame = Frame::around(plan, width, height);
    let factor = frame.block_factor(plan, bytes);
    frame.working_bytes(plan, bytes, factor) <= MAX_RESIZING_BYTES
}

/// The whole pixels that a part touches.
struct Frame {
    x: u32,
    y: u32,
    width: u32,
    height: u32,
}

impl Frame {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "held within the image's sides"
    )]
    fn around(plan: &Geometry, width: u32, height: u32) -> Self {
        let span = |from: f64, length: f64, all: u32| {
            let all = f64::from(all);
            let first = from.floor().clamp(0.0, all - 1.0);
            let last = (from + length).ceil().clamp(first + 1.0, all);
            (first as u32, (last - first) as u32)
        };
        let (x, width) = span(plan.part.x, plan.part.width, width);
        let (y, height) = span(plan.part.y, plan.part.height, height);
        Self {
            x,
            y,
            width,
            height,
        }
    }

    /// Moves what is within to the front, and forgets the rest.
    fn cut_out(&self, pixels: &mut Pixels) {
        if (self.width, self.height) == (pixels.width, pixels.height) {
            return;
        }
        let bytes = pixels.kind.bytes();
        let (row, line) = (pixels.width as usize * bytes, self.width as usize * bytes);
        for y in 0..self.height as usize {
            let from = (self.y as usize + y) * row + self.x as usize * bytes;
            pixels.data.copy_within(from..from + line, y * line);
        }
        pixels.data.truncate(line * self.height as usize);
        pixels.data.shrink_to_fit();
        (pixels.width, pixels.height) = (self.width, self.height);
    }

    /// The side of the blocks to average first: half of what the image shrinks by, or more where
    /// memory would not do.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "sizes of images are far from the range's end, and casts of floats saturate"
    )]
    fn block_factor(&self, plan: &Geometry, bytes: usize) -> u32 {
        let shrink = (plan.part.width / f64::from(plan.width))
            .min(plan.part.height / f64::from(plan.height));
        let most = (shrink as u32).max(1);
        let wanted = ((shrink / 2.0) as u32).max(1);
        (wanted..most)
            .find(|factor| self.working_bytes(plan, bytes, *factor) <= MAX_RESIZING_BYTES)
            .unwrap_or(most)
    }

    /// The memory that the filter takes, the image included.
    fn working_bytes(&self, plan: &Geometry, bytes: usize, factor: u32) -> u64 {
        let width = u64::from(self.width.div_ceil(factor));
        let height = u64::from(self.height.div_ceil(factor));
        // The filter runs along one side first; what it makes is as long there as the answer and
        // along the other as the source.
        let between = (u64::from(plan.width) * height).max(width * u64::from(plan.height));
        (width * height + between + plan.pixels()) * bytes as u64
    }
}

/// Averages blocks of pixels into one each. What is written never passes what is read.
fn average_blocks(pixels: &mut Pixels, factor: u32) {
    let channels = pixels.kind.bytes();
    let (width, height, factor) = (
        pixels.width as usize,
        pixels.height as usize,
        factor as usize,
    );
    let small_width = width.div_ceil(factor);
    let small_height = height.div_ceil(factor);
    let mut sums = vec![0_u32; small_width * channels];
    for row in 0..small_height {
        let rows = row * factor..((row + 1) * factor).min(height);
        sums.fill(0);
        for y in rows.clone() {
            let line = &pixels.data[y * width * channels..(y + 1) * width * channels];
            for (sum, block) in sums
                .chunks_exact_mut(channels)
                .zip(line.chunks(factor * channels))
            {
                for pixel in block.chunks_exact(channels) {
                    for (sum, value) in sum.iter_mut().zip(pixel) {
                        *sum += u32::from(*value);
                    }
                }
            }
        }
        let target = row * small_width * channels;
        for (column, sum) in sums.chunks_exact(channels).enumerate() {
            // The last block of a row or column may be smaller.
            let columns = factor.min(width - column * factor);
            let count = u32::try_from(columns * rows.len()).unwrap_or(u32::MAX);
            for (channel, sum) in sum.iter().enumerate() {
                let average = (sum + count / 2) / count;
                pixels.data[target + column * channels + channel] =
                    u8::try_from(average).unwrap_or(u8::MAX);
            }
        }
    }
    pixels.data.truncate(small_width * small_height * channels);
    pixels.data.shrink_to_fit();
    pixels.width = u32::try_from(small_width).unwrap_or(u32::MAX);
    pixels.height = u32::try_from(small_height).unwrap_or(u32::MAX);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::Params;
    use crate::testing::photo;

    fn plan(query: &str, pixels: &Pixels) -> Geometry {
        let params = Params::parse(Some(query)).unwrap();
        Geometry::plan(&params, pixels.width, pixels.height).unwrap()
    }

    fn even(kind: Kind, width: u32, height: u32, pixel: &[u8]) -> Pixels {
        let data = pixel.repeat(width as usize * height as usize);
        Pixels {
            kind,
            width,
            height,
            data,
        }
    }

    #[test]
    fn an_even_colour_stays_even_whatever_the_factor() {
        for (kind, pixel) in [
            (Kind::Grey, &[200][..]),
            (Kind::Rgb, &[200, 100, 50]),
            (Kind::Rgba, &[200, 100, 50, 255]),
        ] {
            for (width, height) in [(1000, 700), (997, 701), (33, 1000)] {
                for query in ["w=10", "w=33", "w=250", "h=699", "w=90&h=90&fit=fill"] {
                    let source = even(kind, width, height, pixel);
                    let plan = plan(query, &source);
                    let small = resize(source, &plan).unwrap();
                    assert_eq!((small.width, small.height), (plan.width, plan.height));
                    let expected = pixel.repeat((plan.width * plan.height) as usize);
                    assert_eq!(
                        small.data, expected,
                        "{kind:?} {width} by {height}, {query}"
                    );
                }
            }
        }
    }

    #[test]
    fn block_averages_round_and_take_what_is_left_at_the_edge() {
        let data = vec![0, 2, 4, 10, 2, 4, 6, 20, 7, 8, 9, 30];
        let mut pixels = Pixels {
            kind: Kind::Grey,
            width: 4,
            height: 3,
            data,
        };
        average_blocks(&mut pixels, 3);
        assert_eq!((pixels.width, pixels.height), (2, 1));
        assert_eq!(pixels.data, [5, 20]);
    }

    #[test]
    fn a_part_is_cut_out_where_it_was_asked_for() {
        // Four quarters of different grey.
        let grey = |x: u32, y: u32| match (x < 100, y < 100) {
            (true, true) => 10,
            (false, true) => 80,
            (true, false) => 160,
            (false, false) => 240,
        };
        let data = (0..200)
            .flat_map(|y| (0..200).map(move |x| grey(x, y)))
            .collect();
        let pixels = Pixels {
            kind: Kind::Grey,
            width: 200,
            height: 200,
            data,
        };
        // Each reaches to the others, whose greys must not be seen.
        for (x, y, expected) in [(20, 20, 10), (100, 20, 80), (20, 100, 160), (100, 100, 240)] {
            for width in [80, 40, 10, 4] {
                let plan = plan(&format!("crop={x},{y},80,80&w={width}"), &pixels);
                let part = resize(pixels.clone(), &plan).unwrap();
                assert!(
                    part.data.iter().all(|value| *value == expected),
                    "{x},{y} to {width}"
                );
            }
        }
    }

    #[test]
    fn invisible_colours_do_not_bleed() {
        // White that can be seen beside red that cannot.
        let mut data = Vec::new();
        for n in 0..64 * 64 {
            data.extend(if n % 2 == 0 {
                [255, 255, 255, 255]
            } else {
                [255, 0, 0, 0]
            });
        }
        let pixels = Pixels {
            kind: Kind::Rgba,
            width: 64,
            height: 64,
            data,
        };
        let plan = plan("w=4", &pixels);
        let small = resize(pixels, &plan).unwrap();
        for pixel in small.data.chunks_exact(4) {
            assert!(pixel[1] > 250 && pixel[2] > 250, "{pixel:?}");
            assert!((120..=136).contains(&pixel[3]), "{pixel:?}");
        }
    }

    #[test]
    fn memory_bounds_what_can_be_asked_of_a_large_image() {
        let fits = |query: &str, width, height, bytes| {
            let params = Params::parse(Some(query)).unwrap();
            super::fits(
                &Geometry::plan(&params, width, height).unwrap(),
                width,
                height,
                bytes,
            )
        };
        for (width, height, bytes) in [(6400, 4500, 3), (5600, 3900, 4), (4096, 4096, 4)] {
            assert!(
                fits("", width, height, bytes),
                "{width} by {height}: what nobody asked for"
            );
            assert!(fits("w=100", width, height, bytes));
            assert!(fits("crop=0,0,2000,2000&w=2000", width, height, bytes));
        }
        assert!(!fits("w=3400", 6400, 4500, 3));
    }

    #[test]
    fn nothing_to_do_is_not_done() {
        let image = photo(40, 30).to_rgb8();
        let pixels = Pixels {
            kind: Kind::Rgb,
            width: 40,
            height: 30,
            data: image.into_raw(),
        };
        assert_eq!(resize(pixels.clone(), &plan("", &pixels)).unwrap(), pixels);
    }
}
