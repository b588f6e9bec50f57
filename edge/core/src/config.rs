//! Reading a stage's configuration: the shapes that all policies share.
//!
//! A stage's configuration arrives as JSON, though its author wrote TOML. So an error names the key by
//! its path (`limits[1].period`), not a line of a text that nobody has seen.

use std::time::Duration;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};

use crate::ConfigError;

/// Reads a configuration. An empty text counts as `{}`.
///
/// # Errors
///
/// The error names the key by its path, and what is wrong with it.
pub fn read<T: DeserializeOwned>(json: &str) -> Result<T, ConfigError> {
    let json = if json.trim().is_empty() { "{}" } else { json };
    let mut reader = serde_json::Deserializer::from_str(json);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        let text = inner.to_string();
        let words = match inner.classify() {
            serde_json::error::Category::Data => text
                .rsplit_once(" at line ")
                .map_or(text.as_str(), |(words, _)| words),
            _ => &text,
        };
        if path == "." {
            ConfigError::new(words)
        } else {
            ConfigError::new(format!("{path}: {words}"))
        }
    })?;
    reader.end()?;
    Ok(value)
}

/// Reads a duration: a whole number and one of `ms`, `s`, `m`, `h`, `d`.
///
/// # Errors
///
/// The error repeats the text.
pub fn parse_duration(text: &str) -> Result<Duration, ConfigError> {
    let wrong = || {
        let why = "is not a duration: write a whole number and ms, s, m, h or d, as in \"250ms\"";
        ConfigError::new(format!("{text:?} {why}"))
    };
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let millis_per_unit = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    number
        .checked_mul(millis_per_unit)
        .map(Duration::from_millis)
        .ok_or_else(wrong)
}

/// For `#[serde(deserialize_with)]`: a duration as text.
///
/// # Errors
///
/// As [`parse_duration`].
pub fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).map_err(D::Error::custom)
}

/// For `#[serde(default, deserialize_with)]`: whole seconds of a duration as text.
///
/// # Errors
///
/// As [`parse_duration`]; and what is no whole number of seconds, or more than 2^31.
pub fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let duration = parse_duration(&text).map_err(D::Error::custom)?;
    // RFC 9111, section 1.2.2: a delta-seconds above 2^31 counts as 2^31.
    match u32::try_from(duration.as_secs()) {
        Ok(seconds) if duration.subsec_nanos() == 0 && seconds <= 1 << 31 => Ok(Some(seconds)),
        _ => Err(D::Error::custom(format!(
            "{text:?} is not whole seconds up to 2^31"
        ))),
    }
}

/// One text or a list of them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "a text or a list of texts")]
pub enum OneOrMany {
    /// `"a"`
    One(String),
    /// `["a", "b"]`
    Many(Vec<String>),
}

impl OneOrMany {
    /// The texts.
    #[must_use]
    pub fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text],
            Self::Many(texts) => texts,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::PathPattern;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Config {
        #[serde(default)]
        rules: Vec<Rule>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read from JSON")]
    struct Rule {
        #[serde(deserialize_with = "duration")]
        period: Duration,
        #[serde(default, deserialize_with = "seconds")]
        ttl: Option<u32>,
        #[serde(default)]
        paths: Vec<PathPattern>,
    }

    #[test]
    fn errors_name_the_key() {
        let cases = [
            (r#"{"rulez": []}"#, "rulez: unknown field `rulez`"),
            (
                r#"{"rules": [{"period": "1s"}, {"period": "1x"}]}"#,
                "rules[1].period: \"1x\" is not",
            ),
            (
                r#"{"rules": [{"period": "1s", "ttl": "1ms"}]}"#,
                "rules[0].ttl: \"1ms\" is not whole",
            ),
            (r#"{"rules": [{}]}"#, "rules[0]: missing field `period`"),
            (
                r#"{"rules": [{"period": 1}]}"#,
                "rules[0].period: invalid type: integer `1`",
            ),
            (
                r#"{"rules": [{"period": "1s", "paths": ["a"]}]}"#,
                "rules[0].paths[0]: path pattern \"a\" must begin",
            ),
            (r#"{"rules": "#, "EOF"),
            (r#"{} {}"#, "trailing characters"),
        ];
        for (json, expected) in cases {
            let error = read::<Config>(json).unwrap_err().to_string();
            assert!(error.contains(expected), "{json}: {error}");
            let data = !expected.starts_with("EOF") && !expected.starts_with("trailing");
            assert!(!(data && error.contains("line")), "{error}");
        }
        assert!(read::<Config>("").unwrap().rules.is_empty());
    }

    #[test]
    fn durations_have_one_unit() {
        let cases = [
            ("250ms", 250),
            ("0s", 0),
            ("2s", 2_000),
            ("10m", 600_000),
            ("1h", 3_600_000),
            ("1d", 86_400_000),
        ];
        for (text, millis) in cases {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_millis(millis)),
                "{text}"
            );
        }
        for text in [
            "",
            "1",
            "s",
            "-1s",
            "1.5s",
            "1 s",
            "1s1s",
            "99999999999999999999s",
            "1w",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
        assert!(
            parse_duration("18446744073709551615d").is_err(),
            "does not overflow"
        );
    }
}
