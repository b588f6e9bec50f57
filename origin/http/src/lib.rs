//! axum glue: extractors, problem+json, OpenAPI, pagination, idempotency.
