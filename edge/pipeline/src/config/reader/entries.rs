//! The entries of a table and the elements of an array, and their places.

use std::ops::Range;

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde::{Deserializer, forward_to_deserialize_any};
use serde_spanned::Spanned;
use serde_spanned::de::{SpannedDeserializer, is_spanned};
use toml::de::{DeArray, DeString, DeTable, DeValue};

use super::{ReadError, Value};

type Entry<'de> = (&'de Spanned<DeString<'de>>, &'de Spanned<DeValue<'de>>);

/// The entries of a table.
pub(super) struct Entries<'de> {
    left: Box<dyn Iterator<Item = Entry<'de>> + 'de>,
    value: Option<&'de Spanned<DeValue<'de>>>,
}

impl<'de> Entries<'de> {
    pub(super) fn new(table: &'de DeTable<'de>) -> Self {
        Self {
            left: Box::new(table.iter()),
            value: None,
        }
    }
}

fn value<'de>(found: &'de Spanned<DeValue<'de>>) -> Value<'de> {
    Value {
        value: found.get_ref(),
        span: found.span(),
    }
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ReadError> {
        let Some((key, found)) = self.left.next() else {
            return Ok(None);
        };
        self.value = Some(found);
        let key = Key {
            name: key.get_ref(),
            span: key.span(),
        };
        let span = key.span.clone();
        let read = seed.deserialize(key);
        read.map(Some).map_err(|error| error.within(span))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        let Some(found) = self.value.take() else {
            // Against serde's rules; not a panic all the same.
            return Err(serde::de::Error::custom("a value without a key"));
        };
        let read = seed.deserialize(value(found));
        read.map_err(|error| error.within(found.span()))
    }
}

/// The elements of an array.
pub(super) struct Elements<'de> {
    left: std::slice::Iter<'de, Spanned<DeValue<'de>>>,
}

impl<'de> Elements<'de> {
    pub(super) fn new(elements: &'de DeArray<'de>) -> Self {
        Self {
            left: elements.iter(),
        }
    }
}

impl<'de> SeqAccess<'de> for Elements<'de> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ReadError> {
        let Some(found) = self.left.next() else {
            return Ok(None);
        };
        let read = seed.deserialize(value(found));
        read.map(Some).map_err(|error| error.within(found.span()))
    }
}

/// A key and its place.
struct Key<'de> {
    name: &'de str,
    span: Range<usize>,
}

impl<'de> Deserializer<'de> for Key<'de> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_str(self.name)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        if is_spanned(name) {
            let name: StrDeserializer<'de, ReadError> = StrDeserializer::new(self.name);
            return visitor.visit_map(SpannedDeserializer::new(name, self.span));
        }
        self.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool u8 u16 u32 u64 i8 i16 i32 i64 i128 u128 f32 f64 char str string seq bytes byte_buf map
        option unit newtype_struct ignored_any unit_struct tuple_struct tuple identifier enum
    }
}
