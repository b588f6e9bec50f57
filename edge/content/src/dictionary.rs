//! Dictionaries (RFC 9842): answers that later answers are compressed with, so that a new version of a
//! file costs its differences.
//!
//! An answer that says `Use-As-Dictionary` is remembered under its hash ([`store`], [`learn`]). A
//! client that has it says so in `Available-Dictionary`, and gets Zstandard with that dictionary,
//! `dcz` ([`encode`]).
//!
//! `dcb`, Brotli with a dictionary, is not offered. The encoder in Rust (`brotli` 9.1.1) takes a
//! dictionary as bytes in front of the text. At quality 11 its matches run over from one into the
//! other, which decoders of shared Brotli (RFC 9841) refuse; at lower ones a match that is cut off at
//! the seam can be too short for its length code, which overflows.

mod encode;
mod field;
mod learn;
mod rule;
mod store;

pub use encode::{HEADER, dcz};
pub use field::{available, is_dictionary};
pub use learn::Learning;
pub use rule::Rule;
pub use store::{Dictionaries, Dictionary, Hash};

use http::HeaderName;

/// What of its dictionaries a client could use for this answer (section 2.2).
pub const AVAILABLE_DICTIONARY: HeaderName = HeaderName::from_static("available-dictionary");
/// The name of that dictionary, if it was given one (section 2.3).
pub const DICTIONARY_ID: HeaderName = HeaderName::from_static("dictionary-id");
/// That an answer is a dictionary, and for what (section 2.1).
pub const USE_AS_DICTIONARY: HeaderName = HeaderName::from_static("use-as-dictionary");
