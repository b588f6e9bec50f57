//! Reads a TOML document into the structs of the configuration.
//!
//! `toml`'s own deserializer offers every type a value of any kind, so that each struct is compiled
//! for a table, for an array, for a date and for what has a place: a large part of the components for
//! other hosts. This one asks the type what must stand there, and says in one place what stands there
//! instead. `toml` parses the document, and a test holds what is said against what `toml` says.

mod entries;
mod error;
#[cfg(test)]
mod tests;

use std::ops::Range;

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeOwned, Error as _, Expected, IntoDeserializer, Unexpected, Visitor};
use serde::{Deserializer, forward_to_deserialize_any};
use serde_spanned::de::{SpannedDeserializer, is_spanned};
use toml::de::{DeInteger, DeTable, DeValue};

use entries::{Elements, Entries};
pub(crate) use error::ReadError;

/// Reads a whole document.
///
/// # Errors
///
/// That it is no TOML, or the first thing that is not as the type has it.
pub(crate) fn from_str<T: DeserializeOwned>(text: &str) -> Result<T, ReadError> {
    let document = DeTable::parse(text).map_err(|error| ReadError::syntax(&error))?;
    let span = document.span();
    let root = DeValue::Table(document.into_inner());
    let value = Value {
        value: &root,
        span: span.clone(),
    };
    T::deserialize(value).map_err(|error| error.within(span))
}

/// A value and its place in the text.
pub(super) struct Value<'de> {
    value: &'de DeValue<'de>,
    span: Range<usize>,
}

/// A whole number as it stands in the file.
enum Whole {
    Signed(i64),
    Unsigned(u64),
}

impl Value<'_> {
    fn not(&self, expected: &dyn Expected) -> ReadError {
        let text;
        let found = match self.value {
            DeValue::String(text) => Unexpected::Str(text),
            DeValue::Integer(number) => match whole(number) {
                Ok(Whole::Signed(number)) => Unexpected::Signed(number),
                Ok(Whole::Unsigned(number)) => Unexpected::Unsigned(number),
                Err(error) => return error,
            },
            DeValue::Float(number) => {
                text = format!("floating point `{}`", number.as_str());
                Unexpected::Other(&text)
            }
            DeValue::Boolean(value) => Unexpected::Bool(*value),
            DeValue::Datetime(_) => Unexpected::Other("date"),
            DeValue::Array(_) => Unexpected::Seq,
            DeValue::Table(_) => Unexpected::Map,
        };
        ReadError::invalid_type(found, expected)
    }
}

fn whole(number: &DeInteger<'_>) -> Result<Whole, ReadError> {
    let (digits, radix) = (number.as_str(), number.radix());
    if let Ok(number) = i64::from_str_radix(digits, radix) {
        return Ok(Whole::Signed(number));
    }
    u64::from_str_radix(digits, radix)
        .map(Whole::Unsigned)
        .map_err(|_| ReadError::custom("integer number overflowed"))
}

/// `inf` and `nan` are numbers in TOML.
fn real(digits: &str) -> Result<f64, ReadError> {
    match digits.parse::<f64>() {
        Ok(number) if number.is_finite() || digits.contains(['n']) => Ok(number),
        _ => Err(ReadError::custom("floating-point number overflowed")),
    }
}

macro_rules! whole_numbers {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
            let DeValue::Integer(number) = self.value else {
                return Err(self.not(&visitor));
            };
            match whole(number)? {
                Whole::Signed(number) => visitor.visit_i64(number),
                Whole::Unsigned(number) => visitor.visit_u64(number),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for Value<'de> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.value {
            DeValue::String(text) => visitor.visit_str(text),
            DeValue::Boolean(value) => visitor.visit_bool(*value),
            DeValue::Integer(_) => self.deserialize_i64(visitor),
            DeValue::Float(number) => visitor.visit_f64(real(number.as_str())?),
            DeValue::Datetime(_) => Err(self.not(&visitor)),
            DeValue::Array(elements) => visitor.visit_seq(Elements::new(elements)),
            DeValue::Table(table) => visitor.visit_map(Entries::new(table)),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.value {
            DeValue::Boolean(value) => visitor.visit_bool(*value),
            _ => Err(self.not(&visitor)),
        }
    }

    whole_numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.value {
            DeValue::Float(number) => visitor.visit_f64(real(number.as_str())?),
            _ => self.deserialize_i64(visitor),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.value {
            DeValue::String(text) => visitor.visit_str(text),
            _ => Err(self.not(&visitor)),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.value {
            DeValue::Array(elements) => visitor.visit_seq(Elements::new(elements)),
            _ => Err(self.not(&visitor)),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.value {
            DeValue::Table(table) => visitor.visit_map(Entries::new(table)),
            _ => Err(self.not(&visitor)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        if is_spanned(name) {
            let span = self.span.clone();
            return visitor.visit_map(SpannedDeserializer::new(self, span));
        }
        self.deserialize_map(visitor)
    }

    /// A word: no type of the configuration is an enum with anything inside.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match self.value {
            DeValue::String(word) => visitor.visit_enum(StrDeserializer::new(word)),
            _ => Err(ReadError::custom("wanted a string")),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct tuple tuple_struct identifier
    }
}

impl<'de> IntoDeserializer<'de, ReadError> for Value<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}
