//! Which format a client gets that names none: content negotiation by `Accept` (RFC 9110, section
//! 12.5.1).
//!
//! Among what the client weighs highest, WebP comes first when the client names it, because it is
//! the smallest. `*/*` and `image/*` do not count as naming it: clients that send only those, `curl`
//! and old mail programs among them, often cannot show it. Without it a source keeps its format,
//! unless it is a WebP, which becomes a JPEG, or a PNG when it is transparent.

use crate::format::Format;

/// How a client weighs the formats, in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accept {
    jpeg: u16,
    png: u16,
    webp: u16,
    names_webp: bool,
}

impl Accept {
    /// Reads a field; without one, or with an empty one, everything is welcome.
    #[must_use]
    pub fn parse(field: Option<&str>) -> Self {
        let mut ranges: Vec<(String, u16)> = Vec::new();
        for element in field.unwrap_or_default().split(',') {
            let mut parts = element.split(';').map(str::trim);
            let range = parts.next().unwrap_or_default().to_ascii_lowercase();
            // An element whose weight cannot be read is not counted.
            let weight = parts
                .find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")))
                .map_or(Some(1000), weight);
            if let (false, Some(weight)) = (range.is_empty(), weight) {
                ranges.push((range, weight));
            }
        }
        if ranges.is_empty() {
            ranges.push(("*/*".into(), 1000));
        }
        // The most specific range counts (section 12.5.1).
        let find = |range: &str| {
            ranges
                .iter()
                .find(|(r, _)| r == range)
                .map(|(_, weight)| *weight)
        };
        let of = |exact: Option<u16>| {
            exact
                .or_else(|| find("image/*"))
                .or_else(|| find("*/*"))
                .unwrap_or(0)
        };
        let webp = find("image/webp");
        Self {
            jpeg: of(find("image/jpeg").or_else(|| find("image/jpg"))),
            png: of(find("image/png")),
            webp: of(webp),
            names_webp: webp.is_some(),
        }
    }

    /// The format for an image, none when the client excludes all. `transparent` tells whether any
    /// of it can be seen through, which JPEG cannot show.
    #[must_use]
    pub fn choose(&self, source: Format, transparent: bool, webp_possible: bool) -> Option<Format> {
        let kept = if source == Format::WebP {
            Format::Jpeg
        } else {
            source
        };
        let mut order = Vec::with_capacity(5);
        if self.names_webp {
            order.push(Format::WebP);
        }
        if transparent {
            order.extend([Format::Png, Format::WebP, Format::Jpeg]);
        } else {
            order.extend([kept, Format::Jpeg, Format::Png, Format::WebP]);
        }
        let weight = |format: Format| match format {
            Format::Jpeg => self.jpeg,
            Format::Png => self.png,
            Format::WebP if webp_possible => self.webp,
            Format::WebP => 0,
        };
        let best = order
            .iter()
            .map(|format| weight(*format))
            .max()
            .filter(|best| *best > 0)?;
        order.into_iter().find(|format| weight(*format) == best)
    }

    /// Whether every format is excluded.
    #[must_use]
    pub fn excludes_all(&self) -> bool {
        self.jpeg == 0 && self.png == 0 && self.webp == 0
    }

    /// All of it as bytes: two fields with the same bytes get the same answer.
    pub(crate) fn class(&self) -> [u8; 7] {
        let [[a, b], [c, d], [e, f]] = [self.jpeg, self.png, self.webp].map(u16::to_be_bytes);
        [a, b, c, d, e, f, u8::from(self.names_webp)]
    }
}

/// A weight in thousandths: `0` or `1` with up to three decimals (RFC 9110, section 12.4.2).
fn weight(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths: u16 = format!("{decimals:0<3}").parse().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Format::{Jpeg, Png, WebP};

    fn choose(field: &str, source: Format, transparent: bool) -> Option<Format> {
        Accept::parse(Some(field)).choose(source, transparent, true)
    }

    #[test]
    fn a_browser_that_names_webp_gets_it() {
        let chrome = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8";
        for source in [Jpeg, Png, WebP] {
            assert_eq!(choose(chrome, source, false), Some(WebP));
            assert_eq!(choose(chrome, source, true), Some(WebP));
        }
    }

    #[test]
    fn a_wildcard_keeps_the_format_but_not_webp() {
        for field in ["", "*/*", "image/*", "text/html, */*;q=0.1"] {
            assert_eq!(choose(field, Jpeg, false), Some(Jpeg));
            assert_eq!(choose(field, Png, false), Some(Png));
            assert_eq!(choose(field, Png, true), Some(Png));
            assert_eq!(choose(field, WebP, false), Some(Jpeg));
            assert_eq!(choose(field, WebP, true), Some(Png));
        }
        assert_eq!(Accept::parse(None), Accept::parse(Some("*/*")));
    }

    #[test]
    fn the_highest_weight_wins() {
        assert_eq!(
            choose("image/webp;q=0.5, image/png", Jpeg, false),
            Some(Png)
        );
        assert_eq!(
            choose("image/webp; q=0.9, image/jpeg;q=0.901", Png, true),
            Some(Jpeg)
        );
        assert_eq!(
            choose("image/jpeg;q=0.2, image/webp;q=0.2", Jpeg, false),
            Some(WebP)
        );
        assert_eq!(
            choose("IMAGE/PNG;Q=1.000, image/jpeg;q=0.999", Jpeg, false),
            Some(Png)
        );
    }

    #[test]
    fn the_most_specific_range_wins() {
        assert_eq!(choose("image/webp;q=0, image/*", WebP, false), Some(Jpeg));
        assert_eq!(
            choose("*/*;q=1, image/*;q=0.1, image/png;q=0.2", Jpeg, false),
            Some(Png)
        );
        assert_eq!(choose("image/jpeg;q=0, */*", Jpeg, false), Some(Png));
    }

    #[test]
    fn a_client_may_exclude_all() {
        for field in ["text/html", "image/*;q=0", "image/avif", "*/*;q=0.0"] {
            assert!(Accept::parse(Some(field)).excludes_all(), "{field}");
            assert_eq!(choose(field, Jpeg, false), None);
        }
    }

    #[test]
    fn an_unreadable_weight_does_not_count() {
        for weight in ["2", "-1", "0.1234", "1.001", "x", "", ".5", "0.x"] {
            let field = format!("image/png;q={weight}, image/jpeg;q=0.1");
            assert_eq!(choose(&field, Png, false), Some(Jpeg), "{field}");
        }
    }

    #[test]
    fn webp_may_be_impossible() {
        let accept = Accept::parse(Some("image/webp, */*;q=0.1"));
        assert_eq!(accept.choose(Jpeg, false, false), Some(Jpeg));
        assert_eq!(
            Accept::parse(Some("image/webp")).choose(Jpeg, false, false),
            None
        );
    }
}
