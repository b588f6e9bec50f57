//! `http-exchange`: the accessors of a request and its answer, by the rules for header fields in
//! `wit/filter.wit`.

use http::uri::{PathAndQuery, Uri};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use wasmtime::component::Resource;
use zephyr_edge_core::field;

use super::bindings::zephyr::edge::http_exchange::{Field, HeaderError, Host, HostExchange};
use super::state::{FilterState, Handle};
use crate::exchange::{Exchange, FieldChange};

type Written = wasmtime::Result<Result<(), HeaderError>>;
type X = Resource<Handle>;

impl Host for FilterState {}

impl HostExchange for FilterState {
    fn request_id(&mut self, _: X) -> wasmtime::Result<String> {
        Ok(self.exchange()?.id.to_string())
    }

    fn method(&mut self, _: X) -> wasmtime::Result<String> {
        Ok(self.exchange()?.request.method.as_str().to_owned())
    }

    fn scheme(&mut self, _: X) -> wasmtime::Result<String> {
        Ok(self.exchange()?.scheme.to_owned())
    }

    fn authority(&mut self, _: X) -> wasmtime::Result<String> {
        Ok(self.exchange()?.authority.to_string())
    }

    fn path(&mut self, _: X) -> wasmtime::Result<String> {
        Ok(match self.exchange()?.request.uri.path() {
            "" => "/".to_owned(),
            path => path.to_owned(),
        })
    }

    fn query(&mut self, _: X) -> wasmtime::Result<Option<String>> {
        Ok(self.exchange()?.request.uri.query().map(str::to_owned))
    }

    fn client_ip(&mut self, _: X) -> wasmtime::Result<String> {
        Ok(self.exchange()?.client.to_string())
    }

    fn route(&mut self, _: X) -> wasmtime::Result<String> {
        Ok(self.exchange()?.route.to_string())
    }

    fn header(&mut self, _: X, name: String) -> wasmtime::Result<Option<String>> {
        Ok(read(&self.exchange()?.request.headers, &name))
    }

    fn headers(&mut self, _: X) -> wasmtime::Result<Vec<Field>> {
        Ok(lines(&self.exchange()?.request.headers))
    }

    fn set_header(&mut self, _: X, name: String, value: String) -> Written {
        let exchange = self.exchange()?;
        Ok(checked(&name, value)
            .and_then(|(name, value)| set(&mut exchange.request.headers, name, value)))
    }

    fn append_header(&mut self, _: X, name: String, value: String) -> Written {
        let exchange = self.exchange()?;
        Ok(checked(&name, value)
            .and_then(|(name, value)| append(&mut exchange.request.headers, name, value)))
    }

    fn remove_header(&mut self, _: X, name: String) -> Written {
        let exchange = self.exchange()?;
        Ok(checked_name(&name).map(|name| drop(exchange.request.headers.remove(name))))
    }

    fn set_path_and_query(&mut self, _: X, target: String) -> Written {
        let exchange = self.exchange()?;
        Ok(set_target(&mut exchange.request.uri, target))
    }

    fn status(&mut self, _: X) -> wasmtime::Result<Option<u16>> {
        Ok(self
            .exchange()?
            .response
            .as_ref()
            .map(|response| response.status.as_u16()))
    }

    fn response_header(&mut self, _: X, name: String) -> wasmtime::Result<Option<String>> {
        let response = self.exchange()?.response.as_ref();
        Ok(response.and_then(|response| {
            if name.eq_ignore_ascii_case("set-cookie") {
                // Must not be joined (RFC 9110, section 5.3).
                let first = response.headers.get(header::SET_COOKIE)?;
                return Some(field::value_to_str(first.as_bytes()).into_owned());
            }
            read(&response.headers, &name)
        }))
    }

    fn response_headers(&mut self, _: X) -> wasmtime::Result<Vec<Field>> {
        let response = self.exchange()?.response.as_ref();
        Ok(response
            .map(|response| lines(&response.headers))
            .unwrap_or_default())
    }

    fn set_response_header(&mut self, _: X, name: String, value: String) -> Written {
        let exchange = self.exchange()?;
        Ok(
            checked(&name, value).and_then(|(name, value)| match &mut exchange.response {
                Some(response) => set(&mut response.headers, name, value),
                None => {
                    forget(exchange, &name);
                    keep(exchange, FieldChange::Set(name, value))
                }
            }),
        )
    }

    fn append_response_header(&mut self, _: X, name: String, value: String) -> Written {
        let exchange = self.exchange()?;
        Ok(
            checked(&name, value).and_then(|(name, value)| match &mut exchange.response {
                Some(response) => append(&mut response.headers, name, value),
                None => keep(exchange, FieldChange::Append(name, value)),
            }),
        )
    }

    fn remove_response_header(&mut self, _: X, name: String) -> Written {
        let exchange = self.exchange()?;
        Ok(
            checked_name(&name).map(|name| match &mut exchange.response {
                Some(response) => drop(response.headers.remove(name)),
                None => forget(exchange, &name),
            }),
        )
    }

    // The guest only ever borrows an exchange, and a borrowed handle has no destructor.
    fn drop(&mut self, _: X) -> wasmtime::Result<()> {
        Ok(())
    }
}

/// The lines of a field, joined (RFC 9110, section 5.3). A name that is not a token has none.
fn read(headers: &HeaderMap, name: &str) -> Option<String> {
    let mut values = headers.get_all(name).iter();
    let mut joined = field::value_to_str(values.next()?.as_bytes()).into_owned();
    for value in values {
        joined.push_str(", ");
        joined.push_str(&field::value_to_str(value.as_bytes()));
    }
    Some(joined)
}

fn lines(headers: &HeaderMap) -> Vec<Field> {
    let line = |(name, value): (&HeaderName, &HeaderValue)| {
        (
            name.as_str().to_owned(),
            field::value_to_str(value.as_bytes()).into_owned(),
        )
    };
    headers.iter().map(line).collect()
}

/// Checks a field that is to be written.
pub(super) fn checked(name: &str, value: String) -> Result<(HeaderName, HeaderValue), HeaderError> {
    let name = checked_name(name)?;
    if value.len() > field::MAX_VALUE_BYTES {
        return Err(HeaderError::InvalidValue);
    }
    field::check_value(&value).map_err(refused)?;
    let value = HeaderValue::from_maybe_shared(bytes::Bytes::from(value));
    Ok((name, value.map_err(|_| HeaderError::InvalidValue)?))
}

fn checked_name(name: &str) -> Result<HeaderName, HeaderError> {
    field::check_name(name).map_err(refused)?;
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| HeaderError::InvalidName)
}

fn refused(error: field::HeaderError) -> HeaderError {
    match error {
        field::HeaderError::InvalidName => HeaderError::InvalidName,
        field::HeaderError::InvalidValue => HeaderError::InvalidValue,
        field::HeaderError::Forbidden => HeaderError::Forbidden,
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) -> Result<(), HeaderError> {
    if headers.len() >= field::MAX_LINES && !headers.contains_key(&name) {
        return Err(HeaderError::Forbidden);
    }
    headers
        .try_insert(name, value)
        .map(drop)
        .map_err(|_| HeaderError::Forbidden)
}

fn append(
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

/// Keeps a change for the answer to come.
fn keep(exchange: &mut Exchange, change: FieldChange) -> Result<(), HeaderError> {
    if exchange.pending.len() >= field::MAX_LINES {
        return Err(HeaderError::Forbidden);
    }
    exchange.pending.push(change);
    Ok(())
}

/// Drops what was kept under a name.
fn forget(exchange: &mut Exchange, name: &HeaderName) {
    exchange.pending.retain(|change| match change {
        FieldChange::Set(kept, _) | FieldChange::Append(kept, _) | FieldChange::Remove(kept) => {
            kept != name
        }
    });
}

fn set_target(uri: &mut Uri, target: String) -> Result<(), HeaderError> {
    field::check_target(&target).map_err(refused)?;
    let target = PathAndQuery::from_maybe_shared(bytes::Bytes::from(target));
    *uri = Uri::from(target.map_err(|_| HeaderError::InvalidValue)?);
    Ok(())
}
