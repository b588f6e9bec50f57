//! [`Exchange`] in memory.

use std::borrow::Cow;
use std::cell::RefCell;

use crate::cache_policy::CacheDirectives;
use crate::field::{check_name, check_target, check_value, is_hop_by_hop};
use crate::{CachePolicy, Exchange, HeaderError};

type Fields = Vec<(String, String)>;

/// A request and its answer.
#[derive(Clone, Debug)]
pub struct TestExchange {
    /// The request's id.
    pub request_id: String,
    /// The method.
    pub method: String,
    /// `http` or `https`.
    pub scheme: String,
    /// The host asked for.
    pub authority: String,
    /// The path, without the query.
    pub path: String,
    /// The query.
    pub query: Option<String>,
    /// The client's address.
    pub client_ip: String,
    /// The name of the route.
    pub route: String,
    /// The request's fields, names in lower case.
    pub request: Fields,
    /// The answer's status.
    pub status: Option<u16>,
    /// The answer's fields, or those kept for the answer to come; names in lower case.
    pub response: Fields,
    /// What was said to the cache.
    pub cache: CacheDirectives,
    calls: RefCell<Vec<&'static str>>,
}

impl TestExchange {
    /// A request from 203.0.113.7 on a route named `test`.
    ///
    /// # Panics
    ///
    /// When the target does not begin with `/`.
    #[must_use]
    pub fn new(method: &str, target: &str) -> Self {
        assert!(target.starts_with('/'), "a target in origin form");
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (target, None),
        };
        Self {
            request_id: "01997d3c-0000-7000-8000-000000000001".to_owned(),
            method: method.to_owned(),
            scheme: "http".to_owned(),
            authority: "edge.test".to_owned(),
            path: path.to_owned(),
            query,
            client_ip: "203.0.113.7".to_owned(),
            route: "test".to_owned(),
            request: Vec::new(),
            status: None,
            response: Vec::new(),
            cache: CacheDirectives::default(),
            calls: RefCell::default(),
        }
    }

    /// A GET request.
    #[must_use]
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// Adds a line to the request. Hop-by-hop fields are dropped, as a node does.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        let name = name.to_ascii_lowercase();
        if !is_hop_by_hop(&name) {
            self.request.push((name, value.to_owned()));
        }
        self
    }

    /// From another client.
    #[must_use]
    pub fn with_client_ip(mut self, address: &str) -> Self {
        address.clone_into(&mut self.client_ip);
        self
    }

    /// On another route.
    #[must_use]
    pub fn with_route(mut self, route: &str) -> Self {
        route.clone_into(&mut self.route);
        self
    }

    /// With an answer.
    #[must_use]
    pub fn with_response(mut self, status: u16, fields: &[(&str, &str)]) -> Self {
        self.status = Some(status);
        let fields = fields
            .iter()
            .map(|(n, v)| (n.to_ascii_lowercase(), (*v).to_owned()));
        self.response.extend(fields);
        self
    }

    /// The accessors called so far, in order: on a node, calls from the guest to its host.
    #[must_use]
    pub fn calls(&self) -> Vec<&'static str> {
        self.calls.borrow().clone()
    }

    /// A field of the answer, or of the one to come, without counting as a call.
    #[must_use]
    pub fn answer(&self, name: &str) -> Option<&str> {
        find(&self.response, name)
    }

    /// A field of the request, without counting as a call.
    #[must_use]
    pub fn forwarded(&self, name: &str) -> Option<&str> {
        find(&self.request, name)
    }

    fn called(&self, accessor: &'static str) {
        self.calls.borrow_mut().push(accessor);
    }
}

fn find<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    fields
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, v)| v.as_str())
}

fn read<'a>(fields: &'a Fields, name: &str) -> Option<Cow<'a, str>> {
    let mut lines = fields
        .iter()
        .filter(|(known, _)| known.eq_ignore_ascii_case(name));
    let (_, first) = lines.next()?;
    let mut value = Cow::Borrowed(first.as_str());
    if !name.eq_ignore_ascii_case("set-cookie") {
        for (_, line) in lines {
            let value = value.to_mut();
            value.push_str(", ");
            value.push_str(line);
        }
    }
    Some(value)
}

fn remove(fields: &mut Fields, name: &str) -> Result<(), HeaderError> {
    check_name(name)?;
    fields.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    Ok(())
}

fn append(fields: &mut Fields, name: &str, value: &str) -> Result<(), HeaderError> {
    check_name(name)?;
    check_value(value)?;
    fields.push((name.to_ascii_lowercase(), value.to_owned()));
    Ok(())
}

fn set(fields: &mut Fields, name: &str, value: &str) -> Result<(), HeaderError> {
    check_value(value)?;
    remove(fields, name)?;
    append(fields, name, value)
}

impl Exchange for TestExchange {
    fn request_id(&self) -> Cow<'_, str> {
        self.called("request-id");
        Cow::Borrowed(&self.request_id)
    }

    fn method(&self) -> Cow<'_, str> {
        self.called("method");
        Cow::Borrowed(&self.method)
    }

    fn scheme(&self) -> Cow<'_, str> {
        self.called("scheme");
        Cow::Borrowed(&self.scheme)
    }

    fn authority(&self) -> Cow<'_, str> {
        self.called("authority");
        Cow::Borrowed(&self.authority)
    }

    fn path(&self) -> Cow<'_, str> {
        self.called("path");
        Cow::Borrowed(&self.path)
    }

    fn query(&self) -> Option<Cow<'_, str>> {
        self.called("query");
        self.query.as_deref().map(Cow::Borrowed)
    }

    fn client_ip(&self) -> Cow<'_, str> {
        self.called("client-ip");
        Cow::Borrowed(&self.client_ip)
    }

    fn route(&self) -> Cow<'_, str> {
        self.called("route");
        Cow::Borrowed(&self.route)
    }

    fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        self.called("header");
        read(&self.request, name)
    }

    fn headers(&self) -> Fields {
        self.called("headers");
        self.request.clone()
    }

    fn set_header(&mut self, name: &str, value: &str) -> Result<(), HeaderError> {
        self.called("set-header");
        set(&mut self.request, name, value)
    }

    fn append_header(&mut self, name: &str, value: &str) -> Result<(), HeaderError> {
        self.called("append-header");
        append(&mut self.request, name, value)
    }

    fn remove_header(&mut self, name: &str) -> Result<(), HeaderError> {
        self.called("remove-header");
        remove(&mut self.request, name)
    }

    fn set_path_and_query(&mut self, target: &str) -> Result<(), HeaderError> {
        self.called("set-path-and-query");
        check_target(target)?;
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (target, None),
        };
        path.clone_into(&mut self.path);
        self.query = query;
        Ok(())
    }

    fn status(&self) -> Option<u16> {
        self.called("status");
        self.status
    }

    fn response_header(&self, name: &str) -> Option<Cow<'_, str>> {
        self.called("response-header");
        self.status?;
        read(&self.response, name)
    }

    fn response_headers(&self) -> Fields {
        self.called("response-headers");
        if self.status.is_some() {
            self.response.clone()
        } else {
            Fields::new()
        }
    }

    fn set_response_header(&mut self, name: &str, value: &str) -> Result<(), HeaderError> {
        self.called("set-response-header");
        set(&mut self.response, name, value)
    }

    fn append_response_header(&mut self, name: &str, value: &str) -> Result<(), HeaderError> {
        self.called("append-response-header");
        append(&mut self.response, name, value)
    }

    fn remove_response_header(&mut self, name: &str) -> Result<(), HeaderError> {
        self.called("remove-response-header");
        remove(&mut self.response, name)
    }
}

impl CachePolicy for TestExchange {
    fn bypass(&mut self, reason: &str) {
        self.called("bypass");
        self.cache.bypass(reason);
    }

    fn set_ttl(&mut self, seconds: u32) {
        self.called("set-ttl");
        self.cache.set_ttl(seconds);
    }

    fn set_stale_while_revalidate(&mut self, seconds: u32) {
        self.called("set-stale-while-revalidate");
        self.cache.set_stale_while_revalidate(seconds);
    }

    fn set_stale_if_error(&mut self, seconds: u32) {
        self.called("set-stale-if-error");
        self.cache.set_stale_if_error(seconds);
    }

    fn set_key_query(&mut self, query: Option<&str>) {
        self.called("set-key-query");
        self.cache.set_key_query(query);
    }

    fn add_key_part(&mut self, part: &str) {
        self.called("add-key-part");
        self.cache.add_key_part(part);
    }

    fn add_surrogate_keys(&mut self, keys: &[&str]) {
        self.called("add-surrogate-keys");
        self.cache.add_surrogate_keys(keys);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_follow_the_rules() {
        let mut x = TestExchange::get("/a?b=c")
            .with_header("Accept", "a")
            .with_header("accept", "b")
            .with_header("Connection", "close");
        assert_eq!(
            (x.path().as_ref(), x.query().as_deref()),
            ("/a", Some("b=c"))
        );
        assert_eq!(x.header("ACCEPT").as_deref(), Some("a, b"));
        assert_eq!(x.header("connection"), None);
        assert_eq!(x.set_header("Accept", "c"), Ok(()));
        assert_eq!(x.headers(), [("accept".to_owned(), "c".to_owned())]);
        assert_eq!(
            x.set_header("accept", "a\nb"),
            Err(HeaderError::InvalidValue)
        );
        assert_eq!(x.set_header("host", "b"), Err(HeaderError::Forbidden));
        assert_eq!(x.forwarded("accept"), Some("c"), "nothing changed");
        assert_eq!(x.calls().len(), 8);
    }

    #[test]
    fn an_answer_to_come_is_written_and_not_read() {
        let mut x = TestExchange::get("/");
        x.set_response_header("x", "1").unwrap();
        assert_eq!((x.response_header("x"), x.status()), (None, None));
        assert_eq!(x.answer("X"), Some("1"));
        let x = x.with_response(200, &[("Set-Cookie", "a"), ("set-cookie", "b")]);
        assert_eq!(x.response_header("set-cookie").as_deref(), Some("a"));
    }
}
