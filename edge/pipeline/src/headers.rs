//! Reading and writing header sections by the rules for filters in `wit/filter.wit`: one piece of
//! code behind the node's host functions and the linked policies.

use http::uri::{PathAndQuery, Uri};
use http::{HeaderMap, HeaderName, HeaderValue};
use zephyr_edge_core::HeaderError;
use zephyr_edge_core::field;

use crate::exchange::{Exchange, FieldChange};

/// The lines of a field, joined (RFC 9110, section 5.3). A name that is not a token has none.
#[must_use]
pub fn read(headers: &HeaderMap, name: &str) -> Option<String> {
    let mut values = headers.get_all(name).iter();
    let mut joined = field::value_to_str(values.next()?.as_bytes()).into_owned();
    for value in values {
        joined.push_str(", ");
        joined.push_str(&field::value_to_str(value.as_bytes()));
    }
    Some(joined)
}

/// A field of an answer: as [`read`], but for `Set-Cookie`, which must not be joined (section 5.3)
/// and gives its first line.
#[must_use]
pub fn read_answer(headers: &HeaderMap, name: &str) -> Option<String> {
    if name.eq_ignore_ascii_case("set-cookie") {
        let first = headers.get(http::header::SET_COOKIE)?;
        return Some(field::value_to_str(first.as_bytes()).into_owned());
    }
    read(headers, name)
}

/// All lines.
#[must_use]
pub fn lines(headers: &HeaderMap) -> Vec<(String, String)> {
    let line = |(name, value): (&HeaderName, &HeaderValue)| {
        (
            name.as_str().to_owned(),
            field::value_to_str(value.as_bytes()).into_owned(),
        )
    };
    headers.iter().map(line).collect()
}

/// Checks a field that is to be written.
///
/// # Errors
///
/// The rules in [`zephyr_edge_core::field`].
pub fn checked(name: &str, value: String) -> Result<(HeaderName, HeaderValue), HeaderError> {
    let name = checked_name(name)?;
    if value.len() > field::MAX_VALUE_BYTES {
        return Err(HeaderError::InvalidValue);
    }
    field::check_value(&value)?;
    let value = HeaderValue::from_maybe_shared(bytes::Bytes::from(value));
    Ok((name, value.map_err(|_| HeaderError::InvalidValue)?))
}

/// Checks the name of a field that is to be written or removed.
///
/// # Errors
///
/// The rules in [`zephyr_edge_core::field`].
pub fn checked_name(name: &str) -> Result<HeaderName, HeaderError> {
    field::check_name(name)?;
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| HeaderError::InvalidName)
}

/// Replaces all lines of a field by one.
///
/// # Errors
///
/// [`HeaderError::Forbidden`] when there are too many lines.
pub fn set(
    headers: &mut HeaderMap,
    name: HeaderName,
    value: HeaderValue,
) -> Result<(), HeaderError> {
    if headers.len() >= field::MAX_LINES && !headers.contains_key(&name) {
        return Err(HeaderError::Forbidden);
    }
    headers
        .try_insert(name, value)
        .map(drop)
        .map_err(|_| HeaderError::Forbidden)
}

/// Adds a line.
///
/// # Errors
///
/// [`HeaderError::Forbidden`] when there are too many lines.
pub fn append(
    headers: &mut HeaderMap,
    name: HeaderName,
    value: HeaderValue,
) -> Result<(), HeaderError> {
    if headers.len() >= field::MAX_LINES {
        return Err(HeaderError::Forbidden);
    }
    headers
        .try_append(name, value)
        .map(drop)
        .map_err(|_| HeaderError::Forbidden)
}

/// Replaces path and query.
///
/// # Errors
///
/// [`HeaderError::InvalidValue`] when it is not a request target in origin form.
pub fn set_target(uri: &mut Uri, target: String) -> Result<(), HeaderError> {
    field::check_target(&target)?;
    let target = PathAndQuery::from_maybe_shared(bytes::Bytes::from(target));
    *uri = Uri::from(target.map_err(|_| HeaderError::InvalidValue)?);
    Ok(())
}

impl Exchange {
    /// Replaces all lines of a field of the answer, or of the answer to come.
    ///
    /// # Errors
    ///
    /// The rules in [`zephyr_edge_core::field`].
    pub fn write_answer(&mut self, name: &str, value: String) -> Result<(), HeaderError> {
        let (name, value) = checked(name, value)?;
        match &mut self.response {
            Some(response) => set(&mut response.headers, name, value),
            None => {
                self.forget(&name);
                self.keep(FieldChange::Set(name, value))
            }
        }
    }

    /// Adds a line to the answer, or to the answer to come.
    ///
    /// # Errors
    ///
    /// The rules in [`zephyr_edge_core::field`].
    pub fn add_to_answer(&mut self, name: &str, value: String) -> Result<(), HeaderError> {
        let (name, value) = checked(name, value)?;
        match &mut self.response {
            Some(response) => append(&mut response.headers, name, value),
            None => self.keep(FieldChange::Append(name, value)),
        }
    }

    /// Removes all lines of a field of the answer, or what was kept for the answer to come.
    ///
    /// # Errors
    ///
    /// The rules in [`zephyr_edge_core::field`].
    pub fn remove_from_answer(&mut self, name: &str) -> Result<(), HeaderError> {
        let name = checked_name(name)?;
        match &mut self.response {
            Some(response) => drop(response.headers.remove(name)),
            None => self.forget(&name),
        }
        Ok(())
    }

    /// Keeps a change for the answer to come.
    fn keep(&mut self, change: FieldChange) -> Result<(), HeaderError> {
        if self.pending.len() >= field::MAX_LINES {
            return Err(HeaderError::Forbidden);
        }
        self.pending.push(change);
        Ok(())
    }

    /// Drops what was kept under a name.
    fn forget(&mut self, name: &HeaderName) {
        self.pending.retain(|change| match change {
            FieldChange::Set(kept, _)
            | FieldChange::Append(kept, _)
            | FieldChange::Remove(kept) => kept != name,
        });
    }
}
