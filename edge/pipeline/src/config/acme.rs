//! `[acme]`: where the node orders certificates (RFC 8555).

use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::error::{ConfigError, Place};

/// Where the node orders certificates.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Acme {
    /// The URL of the certificate authority's directory.
    pub directory: String,
    /// How the authority may reach the operator: `mailto:` URLs.
    pub contact: Vec<String>,
    /// The names to order certificates for, one each; none: nothing is ordered.
    pub domains: Vec<String>,
    /// Whether the operator agrees to the authority's terms of service.
    pub terms_agreed: bool,
    /// The root that the directory's own certificate must lead to, PEM; none: the system's roots.
    pub ca: Option<PathBuf>,
}

impl Default for Acme {
    fn default() -> Self {
        Self {
            directory: "https://acme-v02.api.letsencrypt.org/directory".to_owned(),
            contact: Vec::new(),
            domains: Vec::new(),
            terms_agreed: false,
            ca: None,
        }
    }
}

/// Checks what concerns `[acme]` alone, and looks the root up.
pub(super) fn check(
    place: &Place<'_>,
    section: Option<Spanned<Acme>>,
    base_dir: &Path,
) -> Result<Acme, ConfigError> {
    let Some(section) = section else {
        return Ok(Acme::default());
    };
    let span = section.span();
    let mut acme = section.into_inner();
    let wrong = |message: String| Err(place.at(span.clone(), message));
    for domain in &mut acme.domains {
        domain.make_ascii_lowercase();
        if !is_host_name(domain) {
            return wrong(format!(
                "acme.domains: {domain:?} is not a host name such as \"www.example.com\""
            ));
        }
    }
    if !acme.domains.is_empty() {
        if !acme.terms_agreed {
            return wrong(
                "acme.terms_agreed must be true: an authority gives no certificates without".into(),
            );
        }
        let local = ["http://127.0.0.1", "http://localhost", "http://[::1]"];
        let is_local = local.iter().any(|start| {
            let rest = acme.directory.strip_prefix(start);
            rest.is_some_and(|rest| rest.starts_with([':', '/']))
        });
        if !acme.directory.starts_with("https://") && !is_local {
            let directory = &acme.directory;
            return wrong(format!("acme.directory: {directory:?} is not an https URL"));
        }
    }
    acme.ca = acme.ca.map(|ca| base_dir.join(ca));
    Ok(acme)
}

/// Whether it is a host name that http-01 can prove: no wildcard, no address.
fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(label) && text.parse::<std::net::IpAddr>().is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names() {
        for good in ["a", "localhost", "www.example.com", "xn--bcher-kva.example"] {
            assert!(is_host_name(good), "{good}");
        }
        for bad in ["", ".", "a..b", "*.a.b", "-a.b", "a_.b", "127.0.0.1", "a b"] {
            assert!(!is_host_name(bad), "{bad}");
        }
    }
}
