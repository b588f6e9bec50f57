//! `http-exchange`: the accessors of a request and its answer, by the rules for header fields in
//! `wit/filter.wit` (as code: `zephyr_edge_pipeline::headers`).

use wasmtime::component::Resource;
use zephyr_edge_pipeline::headers;

use super::bindings::zephyr::edge::http_exchange::{Field, HeaderError, Host, HostExchange};
use super::state::{FilterState, Handle};

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
        Ok(headers::read(&self.exchange()?.request.headers, &name))
    }

    fn headers(&mut self, _: X) -> wasmtime::Result<Vec<Field>> {
        Ok(headers::lines(&self.exchange()?.request.headers))
    }

    fn set_header(&mut self, _: X, name: String, value: String) -> Written {
        let exchange = self.exchange()?;
        Ok(headers::checked(&name, value)
            .and_then(|(name, value)| headers::set(&mut exchange.request.headers, name, value))
            .map_err(refused))
    }

    fn append_header(&mut self, _: X, name: String, value: String) -> Written {
        let exchange = self.exchange()?;
        Ok(headers::checked(&name, value)
            .and_then(|(name, value)| headers::append(&mut exchange.request.headers, name, value))
            .map_err(refused))
    }

    fn remove_header(&mut self, _: X, name: String) -> Written {
        let exchange = self.exchange()?;
        Ok(headers::checked_name(&name)
            .map(|name| drop(exchange.request.headers.remove(name)))
            .map_err(refused))
    }

    fn set_path_and_query(&mut self, _: X, target: String) -> Written {
        let exchange = self.exchange()?;
        Ok(headers::set_target(&mut exchange.request.uri, target).map_err(refused))
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
        Ok(response.and_then(|response| headers::read_answer(&response.headers, &name)))
    }

    fn response_headers(&mut self, _: X) -> wasmtime::Result<Vec<Field>> {
        let response = self.exchange()?.response.as_ref();
        Ok(response
            .map(|response| headers::lines(&response.headers))
            .unwrap_or_default())
    }

    fn set_response_header(&mut self, _: X, name: String, value: String) -> Written {
        Ok(self.exchange()?.write_answer(&name, value).map_err(refused))
    }

    fn append_response_header(&mut self, _: X, name: String, value: String) -> Written {
        Ok(self
            .exchange()?
            .add_to_answer(&name, value)
            .map_err(refused))
    }

    fn remove_response_header(&mut self, _: X, name: String) -> Written {
        Ok(self.exchange()?.remove_from_answer(&name).map_err(refused))
    }

    // The guest only ever borrows an exchange, and a borrowed handle has no destructor.
    fn drop(&mut self, _: X) -> wasmtime::Result<()> {
        Ok(())
    }
}

fn refused(error: zephyr_edge_core::HeaderError) -> HeaderError {
    match error {
        zephyr_edge_core::HeaderError::InvalidName => HeaderError::InvalidName,
        zephyr_edge_core::HeaderError::InvalidValue => HeaderError::InvalidValue,
        zephyr_edge_core::HeaderError::Forbidden => HeaderError::Forbidden,
    }
}
