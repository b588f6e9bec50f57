//! How an origin is set up.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

/// The configuration of an origin.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The database.
    pub database_url: SecretString,
    /// A replica to read from, if there is one.
    pub read_database_url: Option<SecretString>,
    /// With which operators come. Not empty.
    pub admin_token: SecretString,
    /// With which edge nodes join. Not empty.
    pub edge_token: SecretString,
    /// The file with the keys that sign access tokens; made when it is not there.
    pub signing_key: PathBuf,
    /// How long a request may take until the head of its answer.
    pub request_timeout: Duration,
    /// Requests at once; more are told to come back.
    pub max_requests: usize,
    /// How long open requests may take after a stop was asked for.
    pub shutdown_grace: Duration,
}

impl Default for Config {
    /// Loopback, port 8081. The secrets are empty and must be given.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8081)),
            database_url: SecretString::default(),
            read_database_url: None,
            admin_token: SecretString::default(),
            edge_token: SecretString::default(),
            signing_key: PathBuf::from("signing-key.pem"),
            request_timeout: Duration::from_secs(30),
            max_requests: 1024,
            shutdown_grace: Duration::from_secs(10),
        }
    }
}
