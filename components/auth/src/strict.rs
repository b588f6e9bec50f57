//! Reading a JSON object in which no member may stand twice.
//!
//! RFC 7519, section 4 leaves it to a reader whether a repeated claim is an error or the last one
//! counts. Two readers that differ see two different tokens, so it is an error here.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor};

/// Members that an object may have.
const MAX_MEMBERS: usize = 64;

/// Takes the members that it knows.
pub(crate) trait Members: Default {
    /// Reads the value of a member, or says `false` without touching it.
    fn member<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A)
    -> Result<bool, A::Error>;
}

/// Reads an object that is the whole of a text.
pub(crate) fn object<T: Members>(json: &[u8]) -> Option<T> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    let value = Object(PhantomData).deserialize(&mut reader).ok()?;
    reader.end().ok()?;
    Some(value)
}

struct Object<T>(PhantomData<T>);

impl<'de, T: Members> DeserializeSeed<'de> for Object<T> {
    type Value = T;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, T: Members> Visitor<'de> for Object<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let mut value = T::default();
        let mut seen: Vec<String> = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if seen.len() == MAX_MEMBERS || seen.contains(&name) {
                return Err(A::Error::custom(
                    "a member stands there twice, or there are too many",
                ));
            }
            if !value.member(&name, &mut map)? {
                map.next_value::<IgnoredAny>()?;
            }
            seen.push(name);
        }
        Ok(value)
    }
}
