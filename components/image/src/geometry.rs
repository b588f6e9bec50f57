//! Which part of the source becomes how large an answer.

use image::metadata::Orientation;

use crate::limits::{DEFAULT_SIDE, MAX_PIXELS, MAX_SIDE};
use crate::params::{Anchor, Fit, ParamError, Params, Region};

/// A part of the source, and the size it gets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Geometry {
    /// The part, in pixels, fractions included.
    pub part: Rect,
    /// The answer's width.
    pub width: u32,
    /// The answer's height.
    pub height: u32,
}

/// A rectangle with fractions of pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Rect {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

impl Geometry {
    /// Plans an answer from a source of this size, as it is seen.
    ///
    /// # Errors
    ///
    /// The parameter that does not go with this source.
    pub fn plan(params: &Params, width: u32, height: u32) -> Result<Self, ParamError> {
        let whole = Region {
            x: 0,
            y: 0,
            width,
            height,
        };
        let region = params.region.unwrap_or(whole);
        let inside =
            |from: u32, length: u32, all: u32| from.checked_add(length).is_some_and(|to| to <= all);
        if !inside(region.x, region.width, width) || !inside(region.y, region.height, height) {
            let why = format!("not within the image, which is {width} wide and {height} high");
            return Err(ParamError::new("crop", why));
        }
        let mut part = Rect {
            x: region.x.into(),
            y: region.y.into(),
            width: region.width.into(),
            height: region.height.into(),
        };
        let default = match (params.width, params.height) {
            (None, None) => DEFAULT_SIDE,
            _ => MAX_SIDE,
        };
        let mut wide = f64::from(params.width.unwrap_or(default));
        let mut high = f64::from(params.height.unwrap_or(default));
        let most = if params.upscale { f64::INFINITY } else { 1.0 };
        match params.fit {
            Fit::Contain => {
                let scale = (wide / part.width).min(high / part.height).min(most);
                (wide, high) = (part.width * scale, part.height * scale);
            }
            Fit::Cover => {
                part = part.cut_to(wide / high, params.anchor);
                let scale = (part.width / wide).min(part.height / high);
                if scale < 1.0 && !params.upscale {
                    (wide, high) = (wide * scale, high * scale);
                }
            }
            Fit::Fill => {
                wide = wide.min(part.width * most);
                high = high.min(part.height * most);
            }
        }
        let geometry = Self {
            part,
            width: whole_side(wide),
            height: whole_side(high),
        };
        if geometry.pixels() > MAX_PIXELS {
            let name = if params.width.is_some() { "w" } else { "h" };
            let why = format!(
                "the answer would be {} by {} pixels, more than {MAX_PIXELS} in all",
                geometry.width, geometry.height
            );
            return Err(ParamError::new(name, why));
        }
        Ok(geometry)
    }

    /// The answer's size in pixels.
    #[must_use]
    pub fn pixels(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// The same plan for the pixels as they are stored, before the orientation is applied.
    /// `width` and `height` are those of the stored image.
    #[must_use]
    pub fn stored(self, orientation: Orientation, width: u32, height: u32) -> Self {
        let Rect {
            x,
            y,
            width: w,
            height: h,
        } = self.part;
        let (right, bottom) = (f64::from(width), f64::from(height));
        let straight = |x, y| Self {
            part: Rect {
                x,
                y,
                width: w,
                height: h,
            },
            ..self
        };
        let turned = |x, y| Self {
            part: Rect {
                x,
                y,
                width: h,
                height: w,
            },
            width: self.height,
            height: self.width,
        };
        match orientation {
            Orientation::NoTransforms => self,
            Orientation::FlipHorizontal => straight(right - x - w, y),
            Orientation::Rotate180 => straight(right - x - w, bottom - y - h),
            Orientation::FlipVertical => straight(x, bottom - y - h),
            Orientation::Rotate90 => turned(y, bottom - x - w),
            Orientation::Rotate90FlipH => turned(y, x),
            Orientation::Rotate270 => turned(right - y - h, x),
            Orientation::Rotate270FlipH => turned(right - y - h, bottom - x - w),
        }
    }
}

impl Rect {
    /// The largest part of this proportion (width by height).
    fn cut_to(self, proportion: f64, anchor: Anchor) -> Self {
        let width = self.width.min(self.height * proportion);
        let height = self.height.min(self.width / proportion);
        let (left, top) = match anchor {
            Anchor::Center => (0.5, 0.5),
            Anchor::Top => (0.5, 0.0),
            Anchor::Bottom => (0.5, 1.0),
            Anchor::Left => (0.0, 0.5),
            Anchor::Right => (1.0, 0.5),
        };
        Self {
            x: self.x + (self.width - width) * left,
            y: self.y + (self.height - height) * top,
            width,
            height,
        }
    }
}

/// A whole number of pixels, at least one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "held within the bounds just before"
)]
fn whole_side(side: f64) -> u32 {
    side.round().clamp(1.0, f64::from(MAX_SIDE)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(query: &str, width: u32, height: u32) -> Geometry {
        Geometry::plan(&Params::parse(Some(query)).unwrap(), width, height).unwrap()
    }

    fn size(query: &str, width: u32, height: u32) -> (u32, u32) {
        let geometry = plan(query, width, height);
        (geometry.width, geometry.height)
    }

    fn part(query: &str, width: u32, height: u32) -> (f64, f64, f64, f64) {
        let Rect {
            x,
            y,
            width,
            height,
        } = plan(query, width, height).part;
        (x, y, width, height)
    }

    #[test]
    fn contain_keeps_the_proportion_within_the_box() {
        assert_eq!(size("w=400", 1200, 900), (400, 300));
        assert_eq!(size("h=300", 1200, 900), (400, 300));
        assert_eq!(size("w=400&h=400", 1200, 900), (400, 300));
        assert_eq!(size("w=400&h=400", 900, 1200), (300, 400));
        assert_eq!(size("w=1", 1, 4000), (1, 4000));
        assert_eq!(size("w=10", 4000, 1), (10, 1));
    }

    #[test]
    fn cover_fills_the_box_and_cuts_off_what_is_outside() {
        assert_eq!(size("w=400&h=400&fit=cover", 1200, 900), (400, 400));
        assert_eq!(
            part("w=400&h=400&fit=cover", 1200, 900),
            (150.0, 0.0, 900.0, 900.0)
        );
        assert_eq!(
            part("w=4&h=4&fit=cover&crop=left", 1200, 900),
            (0.0, 0.0, 900.0, 900.0)
        );
        assert_eq!(
            part("w=4&h=4&fit=cover&crop=right", 1200, 900),
            (300.0, 0.0, 900.0, 900.0)
        );
        assert_eq!(
            part("w=4&h=4&fit=cover&crop=top", 900, 1200),
            (0.0, 0.0, 900.0, 900.0)
        );
        assert_eq!(
            part("w=4&h=4&fit=cover&crop=bottom", 900, 1200),
            (0.0, 300.0, 900.0, 900.0)
        );
    }

    #[test]
    fn fill_stretches() {
        assert_eq!(size("w=100&h=300&fit=fill", 1200, 900), (100, 300));
        assert_eq!(
            part("w=100&h=300&fit=fill", 1200, 900),
            (0.0, 0.0, 1200.0, 900.0)
        );
    }

    #[test]
    fn nothing_grows_unless_asked() {
        assert_eq!(size("w=400", 100, 50), (100, 50));
        assert_eq!(size("w=400&upscale=true", 100, 50), (400, 200));
        assert_eq!(size("w=400&h=400&fit=cover", 200, 100), (100, 100));
        assert_eq!(size("w=400&h=200&fit=cover", 100, 100), (100, 50));
        assert_eq!(
            size("w=400&h=400&fit=cover&upscale=true", 200, 100),
            (400, 400)
        );
        assert_eq!(size("w=400&h=10&fit=fill", 200, 100), (200, 10));
        assert_eq!(
            size("w=400&h=10&fit=fill&upscale=true", 200, 100),
            (400, 10)
        );
    }

    #[test]
    fn without_a_box_large_images_shrink_to_a_sensible_size() {
        assert_eq!(size("", 6000, 3000), (2048, 1024));
        assert_eq!(size("", 640, 480), (640, 480));
    }

    #[test]
    fn a_region_comes_before_the_fit() {
        assert_eq!(
            part("crop=100,50,200,400&w=100", 1200, 900),
            (100.0, 50.0, 200.0, 400.0)
        );
        assert_eq!(size("crop=100,50,200,400&w=100", 1200, 900), (100, 200));
        assert_eq!(
            part("crop=100,50,200,400&w=10&h=10&fit=cover", 1200, 900),
            (100.0, 150.0, 200.0, 200.0)
        );
        assert_eq!(size("crop=1199,899,1,1", 1200, 900), (1, 1));
    }

    #[test]
    fn a_region_outside_is_refused_by_name() {
        for crop in ["1100,0,101,1", "0,900,1,1", "4294967295,0,4294967295,1"] {
            let params = Params::parse(Some(&format!("crop={crop}"))).unwrap();
            let error = Geometry::plan(&params, 1200, 900).unwrap_err();
            assert_eq!(
                error.to_string(),
                "parameter `crop`: not within the image, which is 1200 wide and 900 high"
            );
        }
    }

    #[test]
    fn a_huge_answer_is_refused_by_name() {
        let params = Params::parse(Some("w=4096&h=4096&upscale=true&fit=fill")).unwrap();
        assert_eq!(Geometry::plan(&params, 10, 10).unwrap_err().name, "w");
        let params = Params::parse(Some("h=4096&upscale=true")).unwrap();
        assert_eq!(Geometry::plan(&params, 10, 10).unwrap_err().name, "h");
    }

    #[test]
    fn orientation_turns_the_part_back() {
        // An image stored 40 wide and 30 high; the part is the corner that is seen top left, 5 by 2.
        let seen = |turned: bool| {
            let (width, height) = if turned { (30, 40) } else { (40, 30) };
            plan("crop=0,0,5,2", width, height)
        };
        let expected = [
            (Orientation::NoTransforms, false, (0.0, 0.0, 5.0, 2.0)),
            (Orientation::FlipHorizontal, false, (35.0, 0.0, 5.0, 2.0)),
            (Orientation::Rotate180, false, (35.0, 28.0, 5.0, 2.0)),
            (Orientation::FlipVertical, false, (0.0, 28.0, 5.0, 2.0)),
            (Orientation::Rotate90FlipH, true, (0.0, 0.0, 2.0, 5.0)),
            (Orientation::Rotate90, true, (0.0, 25.0, 2.0, 5.0)),
            (Orientation::Rotate270FlipH, true, (38.0, 25.0, 2.0, 5.0)),
            (Orientation::Rotate270, true, (38.0, 0.0, 2.0, 5.0)),
        ];
        for (orientation, turned, (x, y, width, height)) in expected {
            let stored = seen(turned).stored(orientation, 40, 30);
            assert_eq!(
                stored.part,
                Rect {
                    x,
                    y,
                    width,
                    height
                },
                "{orientation:?}"
            );
            let size = if turned { (2, 5) } else { (5, 2) };
            assert_eq!((stored.width, stored.height), size, "{orientation:?}");
        }
    }
}
