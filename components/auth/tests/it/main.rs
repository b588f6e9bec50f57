//! The `auth` policy on the host, with real keys and signatures.

mod config;
mod keys;
#[cfg(test)]
mod kit;
mod rules;
mod tokens;
