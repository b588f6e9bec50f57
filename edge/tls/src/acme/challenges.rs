//! The proofs that an authority asks for over HTTP (RFC 8555, section 8.3).

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;

/// Where an authority looks for a proof; its token follows.
pub const PATH: &str = "/.well-known/acme-challenge/";

/// The proofs of the orders under way, by token.
#[derive(Debug, Default)]
pub struct Challenges(RwLock<HashMap<String, String>>);

impl Challenges {
    /// What to answer to a request for this path; none when it asks for no proof that there is.
    #[must_use]
    pub fn answer(&self, path: &str) -> Option<String> {
        let token = path.strip_prefix(PATH)?;
        self.0.read().get(token).cloned()
    }

    /// Shows a proof until what it returns is dropped.
    pub(super) fn show(self: &Arc<Self>, token: &str, proof: &str) -> Shown {
        self.0.write().insert(token.to_owned(), proof.to_owned());
        Shown {
            challenges: Arc::clone(self),
            token: token.to_owned(),
        }
    }
}

/// A proof that is shown.
#[derive(Debug)]
pub(super) struct Shown {
    challenges: Arc<Challenges>,
    token: String,
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.challenges.0.write().remove(&self.token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_shown_as_long_as_its_order_lasts() {
        let challenges = Arc::new(Challenges::default());
        let shown = challenges.show("token", "token.thumbprint");
        let path = format!("{PATH}token");
        assert_eq!(
            challenges.answer(&path).as_deref(),
            Some("token.thumbprint")
        );
        assert_eq!(challenges.answer(PATH), None);
        assert_eq!(challenges.answer(&format!("{PATH}other")), None);
        assert_eq!(challenges.answer("/token"), None);
        drop(shown);
        assert_eq!(challenges.answer(&path), None);
    }
}
