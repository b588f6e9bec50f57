//! Decoded pixels: grey, colour, or colour with transparency, eight bits each.

use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, RgbImage, RgbaImage};

/// What a pixel is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Grey.
    Grey,
    /// Red, green, blue.
    Rgb,
    /// Red, green, blue, opacity.
    Rgba,
}

impl Kind {
    /// Bytes of a pixel.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::Rgb => 3,
            Self::Rgba => 4,
        }
    }
}

/// Pixels, row by row without gaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pixels {
    /// What a pixel is made of.
    pub kind: Kind,
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// `width * height * kind.bytes()` bytes.
    pub data: Vec<u8>,
}

impl Pixels {
    /// Turns the pixels as the source says they are to be seen.
    #[must_use]
    pub fn oriented(self, orientation: Orientation) -> Self {
        if orientation == Orientation::NoTransforms {
            return self;
        }
        let Self {
            kind,
            width,
            height,
            data,
        } = self;
        let image = match kind {
            Kind::Grey => GrayImage::from_raw(width, height, data).map(DynamicImage::from),
            Kind::Rgb => RgbImage::from_raw(width, height, data).map(DynamicImage::from),
            Kind::Rgba => RgbaImage::from_raw(width, height, data).map(DynamicImage::from),
        };
        // The data has exactly the length that the sizes give.
        let mut image = image.unwrap_or_default();
        image.apply_orientation(orientation);
        let (width, height) = (image.width(), image.height());
        Self {
            kind,
            width,
            height,
            data: image.into_bytes(),
        }
    }

    /// Drops an opacity that is full everywhere.
    #[must_use]
    pub fn without_idle_opacity(self) -> Self {
        if self.is_transparent() || self.kind != Kind::Rgba {
            return self;
        }
        self.opaque()
    }

    /// Whether anything can be seen through.
    #[must_use]
    pub fn is_transparent(&self) -> bool {
        self.kind == Kind::Rgba && self.data.chunks_exact(4).any(|pixel| pixel[3] != u8::MAX)
    }

    /// Puts white behind what can be seen through.
    #[must_use]
    pub fn opaque(mut self) -> Self {
        if self.kind != Kind::Rgba {
            return self;
        }
        let count = self.data.len() / 4;
        for n in 0..count {
            let [red, green, blue, opacity] = [0, 1, 2, 3].map(|c| u32::from(self.data[n * 4 + c]));
            for (c, value) in [red, green, blue].into_iter().enumerate() {
                let mixed = (value * opacity + 255 * (255 - opacity) + 127) / 255;
                self.data[n * 3 + c] = u8::try_from(mixed).unwrap_or(u8::MAX);
            }
        }
        self.data.truncate(count * 3);
        Self {
            kind: Kind::Rgb,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_shows_through() {
        let data = vec![10, 20, 30, 255, 0, 0, 0, 0, 255, 0, 0, 128];
        let pixels = Pixels {
            kind: Kind::Rgba,
            width: 3,
            height: 1,
            data,
        };
        assert!(pixels.is_transparent());
        let opaque = pixels.opaque();
        assert_eq!(opaque.data, [10, 20, 30, 255, 255, 255, 255, 127, 127]);
        assert_eq!(opaque.kind, Kind::Rgb);
    }

    #[test]
    fn idle_opacity_is_dropped_and_used_opacity_is_kept() {
        let of = |opacity| Pixels {
            kind: Kind::Rgba,
            width: 1,
            height: 1,
            data: vec![1, 2, 3, opacity],
        };
        assert_eq!(of(255).without_idle_opacity().data, [1, 2, 3]);
        assert_eq!(of(254).without_idle_opacity().data, [1, 2, 3, 254]);
    }
}
