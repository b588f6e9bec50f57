//! Sizes and durations as texts.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

/// A number of bytes, written as `"64KiB"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl Size {
    /// So many KiB.
    pub(crate) const fn kib(count: u64) -> Self {
        Self(count * 1024)
    }

    /// So many MiB.
    pub(crate) const fn mib(count: u64) -> Self {
        Self(count * 1024 * 1024)
    }

    /// As an index into memory; what does not fit is as good as no limit.
    #[must_use]
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    fn parse(text: &str) -> Option<Self> {
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        let factor = match unit.trim_start() {
            "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return None,
        };
        number.parse::<u64>().ok()?.checked_mul(factor).map(Self)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shift, unit) = match self.0 {
            0 => (0, "B"),
            n if n.is_multiple_of(1 << 30) => (30, "GiB"),
            n if n.is_multiple_of(1 << 20) => (20, "MiB"),
            n if n.is_multiple_of(1 << 10) => (10, "KiB"),
            _ => (0, "B"),
        };
        write!(f, "{}{unit}", self.0 >> shift)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom(format!(
                "{text:?} is not a size: a whole number and B, KiB, MiB or GiB, such as \"64KiB\""
            ))
        })
    }
}

/// A duration such as `"250ms"`, `"2s"` or `"10m"`.
pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let value = humantime::parse_duration(&text).map_err(|error| {
        serde::de::Error::custom(format!(
            "{text:?} is not a duration such as \"250ms\", \"2s\" or \"10m\": {error}"
        ))
    })?;
    if value > LONGEST {
        return Err(serde::de::Error::custom("must be at most ten years"));
    }
    Ok(value)
}

/// Longer is a slip of the pen, and cannot be added to any time of day.
const LONGEST: Duration = Duration::from_hours(10 * 366 * 24);

/// A duration that is not zero.
pub(super) fn positive<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let value = duration(deserializer)?;
    if value < Duration::from_millis(1) {
        return Err(serde::de::Error::custom("must be at least 1ms"));
    }
    Ok(value)
}

/// A duration that is not zero, for a key that has no default.
pub(super) fn some_positive<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    positive(deserializer).map(Some)
}

/// A share, 0 to 1.
pub(super) fn ratio<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let value = f64::deserialize(deserializer)?;
    if !(0.0..=1.0).contains(&value) {
        return Err(serde::de::Error::custom("must be 0 to 1"));
    }
    Ok(value)
}

/// A number that is not zero.
pub(super) fn at_least_one<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + PartialEq + From<u8>,
{
    let value = T::deserialize(deserializer)?;
    if value == T::from(0) {
        return Err(serde::de::Error::custom("must be at least 1"));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(Size::parse("64KiB"), Some(Size(65_536)));
        assert_eq!(Size::parse("1 GiB"), Some(Size(1 << 30)));
        assert_eq!(Size::parse("7B"), Some(Size(7)));
        for bad in [
            "",
            "64",
            "KiB",
            "64kb",
            "-1B",
            "1.5MiB",
            "99999999999GiB",
            "B",
        ] {
            assert_eq!(Size::parse(bad), None, "{bad}");
        }
        assert_eq!(Size::mib(10).to_string(), "10MiB");
    }

    #[test]
    fn durations_end() {
        use serde::de::IntoDeserializer as _;
        use serde::de::value::{Error, StrDeserializer};
        let read = |text: &'static str| {
            let text: StrDeserializer<'_, Error> = text.into_deserializer();
            duration(text).map_err(|error| error.to_string())
        };
        assert_eq!(read("10years"), Ok(Duration::from_secs(315_576_000)));
        assert_eq!(read("11years").unwrap_err(), "must be at most ten years");
    }

    #[test]
    fn sizes_as_they_are_written() {
        assert_eq!(Size(1025).to_string(), "1025B");
    }
}
