//! TLS to an upstream: whom to trust, and who to be. Verification cannot be switched off: a server
//! with a certificate of its own is trusted by naming that certificate.

use std::path::{Path, PathBuf};

/// Whom to trust, and who to be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TlsConfig {
    /// PEM file with the certificates that are trusted, in place of the system's.
    pub ca: Option<PathBuf>,
    /// PEM file with the certificate chain shown to the servers.
    pub client_cert: Option<PathBuf>,
    /// PEM file with its key.
    pub client_key: Option<PathBuf>,
    /// The name that is asked for and verified, in place of the URL's host.
    pub server_name: Option<String>,
}

impl TlsConfig {
    pub(super) fn check(&self, encrypted: bool) -> Result<(), String> {
        let given = [
            ("ca", self.ca.is_some()),
            ("client_cert", self.client_cert.is_some()),
            ("client_key", self.client_key.is_some()),
            ("server_name", self.server_name.is_some()),
        ];
        if let (false, Some((key, _))) = (encrypted, given.iter().find(|(_, given)| *given)) {
            return Err(format!(
                "`{key}` is of no use: no server has an `https://` URL"
            ));
        }
        if self.client_cert.is_some() != self.client_key.is_some() {
            return Err("`client_cert` and `client_key` belong together".into());
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
        match &self.server_name {
            Some(name) if name.is_empty() || !name.bytes().all(plain) => {
                Err("`server_name` must be a host name".into())
            }
            _ => Ok(()),
        }
    }

    pub(super) fn resolve(&mut self, base_dir: &Path) {
        let paths = [&mut self.ca, &mut self.client_cert, &mut self.client_key];
        for path in paths.into_iter().flatten() {
            *path = base_dir.join(&*path);
        }
    }
}
