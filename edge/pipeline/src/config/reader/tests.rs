//! What `toml`'s own deserializer says, this one says, of a document that is right and of one that is
//! wrong in any of these ways.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Deserialize;
use toml::Spanned;

use super::from_str;

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Everything {
    text: Spanned<String>,
    #[serde(default)]
    number: Option<u32>,
    #[serde(default)]
    signed: i8,
    #[serde(default)]
    large: u64,
    #[serde(default)]
    ratio: f64,
    #[serde(default)]
    flag: bool,
    #[serde(default)]
    word: Word,
    #[serde(default)]
    words: Vec<Spanned<Word>>,
    #[serde(default)]
    inner: BTreeMap<Spanned<String>, Inner>,
    #[serde(default)]
    inners: Vec<Spanned<Inner>>,
    #[serde(default)]
    free: serde_json::Map<String, serde_json::Value>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    #[default]
    One,
    Two,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Inner {
    name: String,
    #[serde(default)]
    count: Option<u16>,
}

fn same(text: &str) {
    let ours = from_str::<Everything>(text);
    let theirs = toml::from_str::<Everything>(text);
    match (ours, theirs) {
        // `toml` takes a list for a struct, by the order in which the code has its fields.
        (Err(ours), _) if ours.message() == "invalid type: sequence, expected struct Inner" => {}
        (Ok(ours), Ok(theirs)) => {
            assert_eq!(ours, theirs, "{text}");
            assert_eq!(ours.text.span(), theirs.text.span(), "{text}");
            for (ours, theirs) in ours.inners.iter().zip(&theirs.inners) {
                assert_eq!(ours.span(), theirs.span(), "{text}");
            }
            for (ours, theirs) in ours.inner.keys().zip(theirs.inner.keys()) {
                assert_eq!(ours.span(), theirs.span(), "{text}");
            }
        }
        (Err(ours), Err(theirs)) => {
            // Enums of ours are words only.
            let theirs_says = match theirs.message() {
                says if says.starts_with("wanted ") => "wanted a string",
                says => says,
            };
            assert_eq!(ours.message(), theirs_says, "{text}");
            assert_eq!(ours.span(), theirs.span(), "{text}");
        }
        (ours, theirs) => panic!("{text}\nours: {ours:?}\ntheirs: {theirs:?}"),
    }
}

#[test]
fn everything_at_once() {
    same(
        "text = \"a\"\nnumber = 0x10\nsigned = -3\nlarge = 9223372036854775807\nratio = 1\n\
         flag = true\nword = \"two\"\nwords = [\"one\", \"two\"]\n\
         inner.a = { name = \"x\" }\ninner.b.name = \"y\"\ninner.b.count = 7\n\
         free = { a = [1, 1.5, { b = true }], c = \"d\" }\n\
         [[inners]]\nname = \"z\"\n[[inners]]\nname = \"\"\"\nlong\n\"\"\"\n",
    );
}

/// Values of each kind that is like in both: of a date `toml` makes a table, and of a whole number that
/// fits only 128 bits a number of 128 bits.
const VALUES: [&str; 16] = [
    "\"a\"",
    "\"one\"",
    "1",
    "-1",
    "300",
    "4294967296",
    "0xffffffffffffffff",
    "999999999999999999999999999999999999999999999",
    "1.5",
    "true",
    "[]",
    "[\"one\", \"three\"]",
    "[{ name = \"a\", count = 1 }, { name = \"b\", count = 70000 }]",
    "{}",
    "{ name = \"a\", count = -1 }",
    "{ a = { name = \"a\", other = 1 }, b = 1 }",
];

const KEYS: [&str; 13] = [
    "text", "number", "signed", "large", "ratio", "flag", "word", "words", "inner", "inners",
    "free", "inner.a", "other",
];

#[test]
fn every_kind_under_every_key() {
    for key in KEYS {
        for value in VALUES {
            same(&format!("text = \"t\"\n\n  {key} = {value}\n"));
            same(&format!("{key} = {value}\n"));
        }
    }
}

#[test]
fn dates_are_refused() {
    let error = from_str::<Everything>("text = \"t\"\nfree = { a = 2026-01-01 }\n").unwrap_err();
    assert_eq!(
        error.message(),
        "invalid type: date, expected any valid JSON value"
    );
    assert_eq!(error.span(), Some(24..34));
}

proptest! {
    #[test]
    fn any_text(text in "[a-z\\[\\]{}=.,\"0-9\n #-]{0,60}") {
        same(&text);
    }

    #[test]
    fn any_pairs(pairs in prop::collection::vec((0..KEYS.len(), 0..VALUES.len()), 0..8)) {
        let lines: Vec<_> = pairs
            .iter()
            .map(|&(key, value)| format!("{} = {}", KEYS[key], VALUES[value]))
            .collect();
        same(&lines.join("\n"));
    }
}
