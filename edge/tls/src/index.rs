//! Which certificate a client gets, by the name it asks for (RFC 6066, section 3).

use std::collections::HashMap;
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::sign::CertifiedKey;

use crate::certificate::Certificate;

/// Certificates by name. Of two for one name the client gets the first whose key it understands.
#[derive(Debug, Default)]
pub(crate) struct Index {
    exact: HashMap<Box<str>, Vec<Arc<CertifiedKey>>>,
    /// By what stands behind `*.`.
    wildcard: HashMap<Box<str>, Vec<Arc<CertifiedKey>>>,
    /// For names that no certificate is for, and for clients that name none.
    default: Vec<Arc<CertifiedKey>>,
}

impl Index {
    /// The first certificate also is the default.
    pub(crate) fn new<'a>(certificates: impl IntoIterator<Item = &'a Certificate>) -> Self {
        let mut index = Self::default();
        for certificate in certificates {
            if index.default.is_empty() {
                index.default.push(Arc::clone(&certificate.key));
            }
            for name in &certificate.names {
                let (names, name) = match name.strip_prefix("*.") {
                    Some(parent) => (&mut index.wildcard, parent),
                    None => (&mut index.exact, &**name),
                };
                let key = Arc::clone(&certificate.key);
                names.entry(name.into()).or_default().push(key);
            }
        }
        index
    }

    /// The certificate for a name, by exact match, then by wildcard, which stands for one label (RFC
    /// 9525, section 6.3), then the default.
    pub(crate) fn find(
        &self,
        name: Option<&str>,
        schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        let keys = name.and_then(|name| self.named(name));
        let keys = keys.unwrap_or(&self.default);
        let fits = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(schemes).is_some();
        keys.iter().find(fits).or(keys.first()).cloned()
    }

    fn named(&self, name: &str) -> Option<&Vec<Arc<CertifiedKey>>> {
        if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return self.named(&name.to_ascii_lowercase());
        }
        self.exact.get(name).or_else(|| {
            let (label, parent) = name.split_once('.')?;
            (!label.is_empty()).then(|| self.wildcard.get(parent))?
        })
    }
}
