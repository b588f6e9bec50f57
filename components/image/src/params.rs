//! What a request asks for.
//!
//! | parameter | values | default |
//! |---|---|---|
//! | `w`, `h` | 1 to 4096: the box in pixels | the source's size, at most 2048 |
//! | `fit` | `contain`: whole, within the box · `cover`: fills the box, the rest is cut off · `fill`: stretched to the box | `contain` |
//! | `crop` | `x,y,width,height` in the source's pixels, before all else · or the part that `cover` keeps: `center`, `top`, `bottom`, `left`, `right` | `center` |
//! | `format` | `auto`: by `Accept` · `jpeg` · `png` · `webp` | `auto` |
//! | `q` | 1 to 100: quality, for formats with loss | 80 |
//! | `upscale` | `true`, `false`: whether an answer may be larger than its source | `false` |
//!
//! Pixels are those of the image as it is seen, that is with its EXIF orientation applied. Each
//! parameter stands at most once, and no other is known.

use std::fmt;

use crate::format::Format;
use crate::limits::{MAX_QUERY_BYTES, MAX_SIDE};

/// The quality of an answer that asks for none.
const DEFAULT_QUALITY: u8 = 80;

/// A request's parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params {
    /// The width of the box.
    pub width: Option<u32>,
    /// The height of the box.
    pub height: Option<u32>,
    /// How the image fits the box.
    pub fit: Fit,
    /// The part of the source to use.
    pub region: Option<Region>,
    /// The part that stays when `fit` cuts off.
    pub anchor: Anchor,
    /// The format; none for one by `Accept`.
    pub format: Option<Format>,
    /// The quality, when one is asked for.
    pub quality: Option<u8>,
    /// Whether the answer may be larger than its source.
    pub upscale: bool,
}

/// How an image fits its box.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fit {
    /// Whole and undistorted, within the box.
    #[default]
    Contain,
    /// Undistorted, filling the box; what is outside is cut off.
    Cover,
    /// Stretched to the box.
    Fill,
}

/// A rectangle of the source in whole pixels. Neither side is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Region {
    pub x: u32,
    pub y: u32,
    pub width: u32,
    pub height: u32,
}

/// The part of an image that stays when the rest is cut off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Anchor {
    #[default]
    Center,
    Top,
    Bottom,
    Left,
    Right,
}

/// A parameter that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParamError {
    /// Its name, cut to what is fit to be shown.
    pub name: String,
    /// What is wrong with it.
    pub why: String,
}

impl ParamError {
    pub(crate) fn new(name: &str, why: impl Into<String>) -> Self {
        let shown = name
            .chars()
            .take(32)
            .flat_map(char::escape_default)
            .collect();
        Self {
            name: shown,
            why: why.into(),
        }
    }
}

impl fmt::Display for ParamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "parameter `{}`: {}", self.name, self.why)
    }
}

impl std::error::Error for ParamError {}

impl Params {
    /// Reads a query.
    ///
    /// # Errors
    ///
    /// The first parameter that is wrong, unknown, repeated, or does not go with the others.
    pub fn parse(query: Option<&str>) -> Result<Self, ParamError> {
        let query = query.unwrap_or_default();
        if query.len() > MAX_QUERY_BYTES {
            let why = format!(
                "the query has {} bytes, more than {MAX_QUERY_BYTES}",
                query.len()
            );
            return Err(ParamError::new("?", why));
        }
        let mut params = Self::default();
        let mut seen = Vec::new();
        let mut anchored = false;
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (unescape(name, name)?, unescape(name, value)?);
            let (name, value) = (name.as_str(), value.as_str());
            match name {
                "w" => params.width = Some(number(name, value, MAX_SIDE)?),
                "h" => params.height = Some(number(name, value, MAX_SIDE)?),
                "fit" => params.fit = fit(name, value)?,
                "crop" => match anchor(value) {
                    Some(anchor) => {
                        params.anchor = anchor;
                        anchored = true;
                    }
                    None => params.region = Some(region(name, value)?),
                },
                "format" => params.format = format(name, value)?,
                "q" => params.quality = u8::try_from(number(name, value, 100)?).ok(),
                "upscale" => params.upscale = truth(name, value)?,
                unknown => {
                    let known = "there are w, h, fit, crop, format, q and upscale";
                    return Err(ParamError::new(unknown, format!("unknown; {known}")));
                }
            }
            if seen.contains(&name.to_owned()) {
                return Err(ParamError::new(name, "stands more than once"));
            }
            seen.push(name.to_owned());
        }
        params.check(anchored)?;
        Ok(params)
    }

    /// What no parameter can know of the others.
    fn check(&self, anchored: bool) -> Result<(), ParamError> {
        if self.fit != Fit::Contain {
            for (name, side) in [("w", self.width), ("h", self.height)] {
                if side.is_none() {
                    let why = "missing; `fit=cover` and `fit=fill` need both w and h";
                    return Err(ParamError::new(name, why));
                }
            }
        }
        if anchored && self.fit != Fit::Cover {
            let why = "names a side to keep, which only goes with `fit=cover`";
            return Err(ParamError::new("crop", why));
        }
        if self.quality.is_some() && self.format == Some(Format::Png) {
            return Err(ParamError::new(
                "q",
                "PNG is without loss and has no quality",
            ));
        }
        Ok(())
    }

    /// The quality to encode with.
    #[must_use]
    pub fn quality(&self) -> u8 {
        self.quality.unwrap_or(DEFAULT_QUALITY)
    }

    /// Whether nothing is asked for that needs the image to be made anew.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.region.is_none() && self.quality.is_none()
    }
}

fn number(name: &str, value: &str, most: u32) -> Result<u32, ParamError> {
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let number = if digits { value.parse().ok() } else { None };
    number
        .filter(|number| (1..=most).contains(number))
        .ok_or_else(|| ParamError::new(name, format!("not a whole number from 1 to {most}")))
}

fn fit(name: &str, value: &str) -> Result<Fit, ParamError> {
    match value {
        "contain" => Ok(Fit::Contain),
        "cover" => Ok(Fit::Cover),
        "fill" => Ok(Fit::Fill),
        _ => Err(ParamError::new(name, "not one of contain, cover and fill")),
    }
}

fn anchor(value: &str) -> Option<Anchor> {
    Some(match value {
        "center" => Anchor::Center,
        "top" => Anchor::Top,
        "bottom" => Anchor::Bottom,
        "left" => Anchor::Left,
        "right" => Anchor::Right,
        _ => return None,
    })
}

fn region(name: &str, value: &str) -> Result<Region, ParamError> {
    let wrong = || {
        let why = "neither `x,y,width,height` nor one of center, top, bottom, left and right";
        ParamError::new(name, why)
    };
    let numbers: Vec<u32> = value
        .split(',')
        .map(|number| {
            let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
            if digits { number.parse().ok() } else { None }
        })
        .collect::<Option<_>>()
        .ok_or_else(wrong)?;
    let &[x, y, width, height] = numbers.as_slice() else {
        return Err(wrong());
    };
    if width == 0 || height == 0 {
        return Err(ParamError::new(name, "its width or height is 0"));
    }
    Ok(Region {
        x,
        y,
        width,
        height,
    })
}

fn format(name: &str, value: &str) -> Result<Option<Format>, ParamError> {
    match value {
        "auto" => Ok(None),
        "jpeg" | "jpg" => Ok(Some(Format::Jpeg)),
        "png" => Ok(Some(Format::Png)),
        "webp" => Ok(Some(Format::WebP)),
        _ => Err(ParamError::new(name, "not one of auto, jpeg, png and webp")),
    }
}

fn truth(name: &str, value: &str) -> Result<bool, ParamError> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(ParamError::new(name, "neither true nor false")),
    }
}

/// Takes percent-encoding off (RFC 3986, section 2.1).
fn unescape(name: &str, text: &str) -> Result<String, ParamError> {
    if !text.contains('%') {
        return Ok(text.to_owned());
    }
    let wrong = || ParamError::new(name, "its percent-encoding is wrong");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || {
                let digit = rest.next().and_then(|byte| char::from(byte).to_digit(16));
                digit
                    .and_then(|digit| u8::try_from(digit).ok())
                    .ok_or_else(wrong)
            };
            bytes.push(digit()? << 4 | digit()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(query: &str) -> String {
        Params::parse(Some(query)).unwrap_err().to_string()
    }

    #[test]
    fn nothing_asked_is_all_defaults() {
        assert_eq!(Params::parse(None).unwrap(), Params::default());
        assert_eq!(Params::parse(Some("")).unwrap(), Params::default());
        assert_eq!(Params::default().quality(), 80);
    }

    #[test]
    fn every_parameter_is_read() {
        let query = "w=320&h=200&fit=cover&crop=top&format=webp&q=60&upscale=true";
        let expected = Params {
            width: Some(320),
            height: Some(200),
            fit: Fit::Cover,
            region: None,
            anchor: Anchor::Top,
            format: Some(Format::WebP),
            quality: Some(60),
            upscale: true,
        };
        assert_eq!(Params::parse(Some(query)).unwrap(), expected);
    }

    #[test]
    fn a_region_may_be_percent_encoded() {
        let region = Some(Region {
            x: 0,
            y: 10,
            width: 30,
            height: 40,
        });
        for query in [
            "crop=0,10,30,40",
            "crop=0%2C10%2c30,40",
            "%63rop=0,10,30,40",
        ] {
            assert_eq!(
                Params::parse(Some(query)).unwrap().region,
                region,
                "{query}"
            );
        }
    }

    #[test]
    fn a_wrong_value_is_refused_by_name() {
        for query in [
            "w=0",
            "w=4097",
            "w=",
            "w",
            "w=-1",
            "w=+1",
            "w=1.5",
            "w=1e3",
            "w=%31%",
            "w=٣",
            "w=99999999999999999999",
            "h=abc",
            "q=0",
            "q=101",
            "fit=inside",
            "fit=",
            "fit=Cover",
            "format=gif",
            "format=",
            "crop=1,2,3",
            "crop=1,2,3,4,5",
            "crop=a,b,c,d",
            "crop=1,2,0,4",
            "crop=1,2,3,-4",
            "crop=middle",
            "upscale=1",
            "w=%zz",
            "w=%ff",
        ] {
            let name = query.split_once('=').map_or(query, |(name, _)| name);
            let text = refused(query);
            assert!(
                text.starts_with(&format!("parameter `{name}`: ")),
                "{query}: {text}"
            );
        }
    }

    #[test]
    fn an_unknown_parameter_is_refused_by_name() {
        assert!(refused("w=1&width=2").starts_with("parameter `width`: unknown; there are w, h"));
        assert!(refused("W=1").starts_with("parameter `W`: unknown"));
        assert!(refused("=1").starts_with("parameter ``: unknown"));
        let long = refused(&"x".repeat(100));
        assert!(
            long.starts_with(&format!("parameter `{}`: unknown", "x".repeat(32))),
            "{long}"
        );
        assert!(refused("%0a=1").starts_with("parameter `\\n`"));
    }

    #[test]
    fn a_repeated_parameter_is_refused_by_name() {
        assert_eq!(
            refused("w=1&h=2&w=1"),
            "parameter `w`: stands more than once"
        );
        assert_eq!(
            refused("crop=top&w=1&h=1&fit=cover&crop=1,1,1,1"),
            "parameter `crop`: stands more than once"
        );
        assert_eq!(
            refused("format=auto&format=auto"),
            "parameter `format`: stands more than once"
        );
    }

    #[test]
    fn parameters_that_do_not_go_together_are_refused_by_name() {
        assert!(refused("fit=cover&w=1").starts_with("parameter `h`: missing"));
        assert!(refused("fit=fill&h=1").starts_with("parameter `w`: missing"));
        assert!(refused("crop=top&w=1&h=1").starts_with("parameter `crop`: names a side"));
        assert!(refused("format=png&q=80").starts_with("parameter `q`: PNG"));
    }

    #[test]
    fn a_long_query_is_refused() {
        assert!(refused(&"&".repeat(MAX_QUERY_BYTES + 1)).contains("513 bytes"));
    }
}
