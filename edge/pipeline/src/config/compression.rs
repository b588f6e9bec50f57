//! `[compression]`: how answers of routes with `compress = true` are compressed.

use serde::{Deserialize, Deserializer};

use super::quantity::{self, Size};

/// How answers are compressed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CompressionSection {
    /// What is offered; of codings that a client likes equally, the first.
    pub encodings: Vec<Coding>,
    /// 1 to 19.
    #[serde(deserialize_with = "level::<1, 19, _>")]
    pub zstd_level: u8,
    /// 0 to 11.
    #[serde(deserialize_with = "level::<0, 11, _>")]
    pub brotli_level: u8,
    /// 1 to 9.
    #[serde(deserialize_with = "level::<1, 9, _>")]
    pub gzip_level: u8,
    /// Shorter answers stay as they are.
    pub min_bytes: Size,
    /// Media types that are compressed; `text/*` stands for all of a type.
    #[serde(deserialize_with = "media_types")]
    pub types: Vec<String>,
    /// Answers that are compressed at once, on the whole node; more go out as they are.
    #[serde(deserialize_with = "quantity::at_least_one")]
    pub max_streams: u32,
    /// A larger answer is not kept as a dictionary, nor compressed with one.
    pub max_dictionary_bytes: Size,
    /// What all dictionaries of the node may take.
    pub dictionaries_bytes: Size,
}

/// A content coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Coding {
    /// Zstandard (RFC 8878).
    Zstd,
    /// Brotli (RFC 7932).
    Br,
    /// gzip (RFC 1952).
    Gzip,
}

/// What is worth compressing: text, and formats that bring no compression of their own.
const TYPES: [&str; 18] = [
    "text/*",
    "application/atom+xml",
    "application/geo+json",
    "application/javascript",
    "application/json",
    "application/ld+json",
    "application/manifest+json",
    "application/problem+json",
    "application/rss+xml",
    "application/vnd.api+json",
    "application/wasm",
    "application/x-javascript",
    "application/x-ndjson",
    "application/xhtml+xml",
    "application/xml",
    "font/otf",
    "font/ttf",
    "image/svg+xml",
];

impl Default for CompressionSection {
    fn default() -> Self {
        Self {
            encodings: vec![Coding::Zstd, Coding::Br, Coding::Gzip],
            zstd_level: 3,
            brotli_level: 4,
            gzip_level: 5,
            min_bytes: Size::kib(1),
            types: TYPES.iter().map(ToString::to_string).collect(),
            max_streams: 256,
            max_dictionary_bytes: Size::mib(4),
            dictionaries_bytes: Size::mib(64),
        }
    }
}

fn level<'de, const LEAST: u8, const MOST: u8, D>(deserializer: D) -> Result<u8, D::Error>
where
    D: Deserializer<'de>,
{
    let level = u8::deserialize(deserializer)?;
    if (LEAST..=MOST).contains(&level) {
        return Ok(level);
    }
    let message = format!("must be {LEAST} to {MOST}");
    Err(serde::de::Error::custom(message))
}

fn media_types<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let types = Vec::<String>::deserialize(deserializer)?;
    let token = |part: &str| {
        let of_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b);
        !part.is_empty() && part.bytes().all(of_token)
    };
    for text in &types {
        let legal = text
            .split_once('/')
            .is_some_and(|(main, sub)| token(main) && (sub == "*" || token(sub)));
        if !legal {
            let message =
                format!("{text:?} is not a media type such as \"text/html\" or \"text/*\"");
            return Err(serde::de::Error::custom(message));
        }
    }
    Ok(types.iter().map(|text| text.to_ascii_lowercase()).collect())
}
