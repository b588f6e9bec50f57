//! Certificates: chosen by name, reloaded, ordered by ACME.
