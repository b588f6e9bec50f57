//! The origin server: the one crate that names all services.
