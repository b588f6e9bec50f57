//! The one error that leaves a service: problem details (RFC 9457) and the fields that go with them.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

/// An error for a client, and what the log gets to know beside it.
pub struct ApiError {
    status: StatusCode,
    title: &'static str,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    headers: Vec<(HeaderName, HeaderValue)>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What is wrong with one field of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// The field: a JSON path such as `price.amount`, or a parameter's name.
    #[schema(example = "price.amount")]
    pub field: String,
    /// What it must be.
    #[schema(example = "must be 0 or more")]
    pub message: String,
}

/// Collects what is wrong with a request, so that it is all said at once.
#[derive(Debug, Default)]
pub struct FieldErrors(Vec<FieldError>);

impl FieldErrors {
    /// Notes a wrong field.
    pub fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.0.push(FieldError {
            field: field.into(),
            message: message.into(),
        });
    }

    /// Notes the field unless the condition holds.
    pub fn check(&mut self, holds: bool, field: &str, message: &str) {
        if !holds {
            self.add(field, message);
        }
    }

    /// Whether nothing was noted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// # Errors
    ///
    /// 422 with all fields noted.
    pub fn into_result(self) -> Result<(), ApiError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(ApiError::validation(self.0))
        }
    }
}

/// The body of an error answer, `application/problem+json` (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    /// Kind of the problem. `about:blank`: the title says it.
    #[serde(rename = "type")]
    #[schema(example = "about:blank")]
    pub kind: &'static str,
    /// Kind of the problem in words.
    #[schema(value_type = String)]
    pub title: &'static str,
    /// The answer's status code.
    #[schema(example = 404)]
    pub status: u16,
    /// What is wrong with this request.
    #[schema(value_type = String)]
    pub detail: String,
    /// Fields that are wrong, when fields are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// The request's id; log lines carry it too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

impl ApiError {
    /// An error of any status.
    pub fn new(
        status: StatusCode,
        title: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        let detail = detail.into();
        Self {
            status,
            title,
            detail,
            errors: Vec::new(),
            headers: Vec::new(),
            source: None,
        }
    }

    /// 400: the request cannot be read.
    pub fn bad_request(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Bad request", detail)
    }

    /// 400 that names parameters of the query or the path.
    #[must_use]
    pub fn bad_parameters(errors: Vec<FieldError>) -> Self {
        let mut error = Self::bad_request("Some parameters are wrong; `errors` names each.");
        error.errors = errors;
        error
    }

    /// 401 with a challenge (RFC 6750, section 3). `error` is none when no token was sent.
    pub fn unauthorized(error: Option<&str>, detail: impl Into<Cow<'static, str>>) -> Self {
        let challenge = match error {
            None => "Bearer realm=\"zephyr\"".to_owned(),
            Some(error) => format!("Bearer realm=\"zephyr\", error=\"{error}\""),
        };
        Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", detail)
            .with_header(header::WWW_AUTHENTICATE, &challenge)
    }

    /// 403: known, but not allowed.
    pub fn forbidden(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "Forbidden", detail)
    }

    /// 403: the token lacks a scope (RFC 6750, section 3.1).
    #[must_use]
    pub fn insufficient_scope(scope: &str) -> Self {
        let challenge =
            format!("Bearer realm=\"zephyr\", error=\"insufficient_scope\", scope=\"{scope}\"");
        Self::forbidden(format!("The access token lacks the scope {scope}."))
            .with_header(header::WWW_AUTHENTICATE, &challenge)
    }

    /// 404.
    pub fn not_found(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "Not found", detail)
    }

    /// 409.
    pub fn conflict(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::CONFLICT, "Conflict", detail)
    }

    /// 412: the resource has changed since.
    pub fn precondition_failed(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(
            StatusCode::PRECONDITION_FAILED,
            "Precondition failed",
            detail,
        )
    }

    /// 413.
    pub fn too_large(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "Content too large", detail)
    }

    /// 415.
    pub fn unsupported_media_type(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Unsupported media type",
            detail,
        )
    }

    /// 422 that names each wrong field.
    #[must_use]
    pub fn validation(errors: Vec<FieldError>) -> Self {
        let detail = "Some fields are wrong; `errors` names each.";
        let mut error = Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "Unprocessable content",
            detail,
        );
        error.errors = errors;
        error
    }

    /// 428 (RFC 6585, section 3): the request must say which state it changes.
    pub fn precondition_required(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(
            StatusCode::PRECONDITION_REQUIRED,
            "Precondition required",
            detail,
        )
    }

    /// 429 with `Retry-After`.
    pub fn too_many_requests(detail: impl Into<Cow<'static, str>>, retry_after: u64) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "Too many requests", detail)
            .with_header(header::RETRY_AFTER, &retry_after.to_string())
    }

    /// 503 with `Retry-After`: something that the origin needs is away.
    pub fn unavailable(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let detail = "The service is temporarily unavailable. Try again shortly.";
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "Service unavailable",
            detail,
        )
        .with_header(header::RETRY_AFTER, "1")
        .with_source(source)
    }

    /// 500. The client learns nothing of the source; the log gets all of it.
    pub fn internal(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let detail = "Something went wrong on our side.";
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Internal server error",
            detail,
        )
        .with_source(source)
    }

    /// Adds a header field to the answer.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    /// Adds what to log.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Fields of the answer.
    #[must_use]
    pub fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.headers
    }

    /// The body of the answer.
    #[must_use]
    pub fn problem(&self, request_id: Option<String>) -> Problem {
        Problem {
            kind: "about:blank",
            title: self.title,
            status: self.status.as_u16(),
            detail: self.detail.clone().into_owned(),
            errors: self.errors.clone(),
            request_id,
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}: {}",
            self.status.as_u16(),
            self.title,
            self.detail
        )?;
        let mut source = self.source.as_deref().map(|source| source as &dyn StdError);
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

impl fmt::Debug for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiError({self})")
    }
}

impl StdError for ApiError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_sees_no_internals() {
        let error = ApiError::internal(std::io::Error::other("password=hunter2"));
        let body = serde_json::to_string(&error.problem(Some("r1".into()))).unwrap();
        assert!(!body.contains("hunter2"), "{body}");
        assert!(
            error.to_string().contains("hunter2"),
            "the log sees it: {error}"
        );
    }

    #[test]
    fn all_wrong_fields_are_named_at_once() {
        let mut errors = FieldErrors::default();
        errors.check(false, "title", "must not be empty");
        errors.check(true, "price", "never");
        errors.add("category", "is unknown");
        let error = errors.into_result().unwrap_err();
        assert_eq!(error.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let fields: Vec<_> = error
            .problem(None)
            .errors
            .into_iter()
            .map(|e| e.field)
            .collect();
        assert_eq!(fields, ["title", "category"]);
    }
}
