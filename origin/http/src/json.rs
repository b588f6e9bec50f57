//! JSON bodies, read strictly: the errors name the field.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zephyr_origin_core::{ApiError, FieldErrors};

use crate::Failure;

/// A JSON body, in or out. In: the media type must be `application/json` or end in `+json` (415),
/// the body must be within the route's bound (413) and well-formed (400), and of `T`'s shape (422,
/// with the field's path). Types refuse unknown fields by `#[serde(deny_unknown_fields)]`.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        Ok(Self(parse(
            &JsonBytes::from_request(request, state).await?.0,
        )?))
    }
}

/// The bytes of a JSON body, for whoever needs them as they are (fingerprints).
#[derive(Clone, Debug)]
pub struct JsonBytes(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for JsonBytes {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        if !is_json(request.headers().get(header::CONTENT_TYPE)) {
            let detail = "The body must be JSON, and Content-Type must say so: application/json.";
            return Err(ApiError::unsupported_media_type(detail).into());
        }
        Ok(Self(body(request, state).await?))
    }
}

/// Reads a whole body, within the route's bound.
///
/// # Errors
///
/// 413, or 400 when the client stops sending.
pub async fn body<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, ApiError> {
    Bytes::from_request(request, state)
        .await
        .map_err(|rejection| {
            if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                ApiError::too_large("The body is larger than this route takes.")
            } else {
                ApiError::bad_request("The body broke off.").with_source(rejection.body_text())
            }
        })
}

/// Reads JSON into a type.
///
/// # Errors
///
/// 400 when it is not JSON, 422 with the field's path when it is not of the type's shape.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        if error.inner().is_data() {
            let Misshapen { path, message } = error.into();
            let mut errors = FieldErrors::default();
            errors.add(path, message);
            errors.into_result().expect_err("one error was added")
        } else {
            ApiError::bad_request(format!("The body is not JSON: {}.", error.inner()))
        }
    })?;
    deserializer
        .end()
        .map_err(|error| ApiError::bad_request(format!("The body is not JSON: {error}.")))?;
    Ok(value)
}

/// Turns a JSON value into a type.
pub(crate) fn shape<T: DeserializeOwned>(value: serde_json::Value) -> Result<T, Misshapen> {
    serde_path_to_error::deserialize(value).map_err(Misshapen::from)
}

/// A value is not of a type's shape.
pub(crate) struct Misshapen {
    /// Where, from the value on; empty when it is the value itself.
    pub(crate) path: String,
    pub(crate) message: String,
}

impl From<serde_path_to_error::Error<serde_json::Error>> for Misshapen {
    fn from(error: serde_path_to_error::Error<serde_json::Error>) -> Self {
        let mut path = error.path().to_string();
        if path == "." {
            path.clear();
        }
        let inner = error.into_inner();
        // A path says where better than a line.
        let place = format!(" at line {} column {}", inner.line(), inner.column());
        let message = inner.to_string();
        let message = message.strip_suffix(&place).unwrap_or(&message);
        // serde puts a missing field down to the object around it.
        let missing = message
            .strip_prefix("missing field `")
            .and_then(|rest| rest.strip_suffix('`'));
        if let Some(name) = missing {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(name);
            return Self {
                path,
                message: "is missing".to_owned(),
            };
        }
        Self {
            path,
            message: message.to_owned(),
        }
    }
}

fn is_json(content_type: Option<&http::HeaderValue>) -> bool {
    let Some(text) = content_type.and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let essence = text
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[expect(dead_code, reason = "only its shape matters")]
        price: Inner,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[expect(dead_code, reason = "only its shape matters")]
        amount: i64,
    }

    #[test]
    fn errors_name_the_field() {
        let field = |text: &str| {
            let error = parse::<Outer>(text.as_bytes()).unwrap_err();
            (
                error.status().as_u16(),
                error.problem(None).errors.pop().map(|error| error.field),
            )
        };
        assert_eq!(
            field(r#"{"price":{"amount":"x"}}"#),
            (422, Some("price.amount".into()))
        );
        assert_eq!(
            field(r#"{"price":{"amount":1,"x":2}}"#),
            (422, Some("price.x".into()))
        );
        assert_eq!(field(r#"{"price":{}}"#), (422, Some("price.amount".into())));
        assert_eq!(field("{}"), (422, Some("price".into())));
        assert_eq!(field(r#"{"price":"#), (400, None));
        assert_eq!(field(r#"{"price":{"amount":1}} x"#), (400, None));
    }

    #[test]
    fn media_types() {
        let json = |text: &'static str| is_json(Some(&http::HeaderValue::from_static(text)));
        assert!(json("application/json") && json("Application/JSON; charset=utf-8"));
        assert!(json("application/merge-patch+json"));
        assert!(!json("text/plain") && !json("application/jsonp") && !is_json(None));
    }
}
