//! What stands between a client's socket and HTTP, whoever serves it: certificates, chosen by name,
//! reloaded and ordered by ACME, and the header of the PROXY protocol.

pub mod acme;
mod certificate;
mod certificates;
mod index;
pub mod proxy_protocol;
pub mod server;

pub use certificate::{Certificate, CertificateError, Files};
pub use certificates::Certificates;
