//! What comes in and goes out.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use zephyr_origin_core::{ApiError, FieldErrors};

/// A new account.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAccount {
    /// An address that mail reaches, at most 254 characters. Case does not matter.
    #[schema(example = "ada@example.org")]
    pub email: String,
    /// 12 to 128 characters.
    #[schema(example = "correct horse battery", min_length = 12, max_length = 128)]
    pub password: String,
    /// What others see, 1 to 80 characters.
    #[schema(example = "Ada", min_length = 1, max_length = 80)]
    pub display_name: String,
}

/// Who wants a session.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// The account's address.
    #[schema(example = "ada@example.org")]
    pub email: String,
    /// The account's password.
    #[schema(example = "correct horse battery")]
    pub password: String,
}

/// A refresh token, to be spent or given up.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefreshToken {
    /// As it was given out.
    pub refresh_token: String,
}

/// The tokens of a session, in the form of RFC 6749, section 5.1.
#[derive(Clone, Serialize, ToSchema)]
pub struct Tokens {
    /// The user.
    pub user_id: Uuid,
    /// Send it as `Authorization: Bearer`.
    pub access_token: String,
    /// Always `Bearer`.
    #[schema(value_type = String, example = "Bearer")]
    pub token_type: &'static str,
    /// Seconds for which the access token is valid.
    #[schema(example = 600)]
    pub expires_in: u32,
    /// What the access token allows, separated by spaces.
    #[schema(example = "listings:write")]
    pub scope: String,
    /// Gives the next tokens, once.
    pub refresh_token: String,
}

/// Passwords that are tried first, of twelve characters and more.
const COMMON: [&str; 12] = [
    "123456789012",
    "1234567890123",
    "passwordpassword",
    "password1234",
    "password12345",
    "qwertyuiop123",
    "qwertyuiopas",
    "iloveyou1234",
    "administrator",
    "letmein12345",
    "welcome12345",
    "111111111111",
];

impl NewAccount {
    /// The account with its address in lower case.
    ///
    /// # Errors
    ///
    /// 422 that names every wrong field.
    pub fn checked(mut self) -> Result<Self, ApiError> {
        let mut errors = FieldErrors::default();
        self.email = self.email.trim().to_lowercase();
        errors.check(is_address(&self.email), "email", "must be an email address");
        let length = self.password.chars().count();
        errors.check(
            (12..=128).contains(&length),
            "password",
            "must be 12 to 128 characters long",
        );
        let lower = self.password.to_lowercase();
        let easy = COMMON.contains(&lower.as_str())
            || lower.chars().all(|c| lower.starts_with(c))
            || lower == self.email;
        errors.check(!easy, "password", "is among those that are guessed first");
        self.display_name = self.display_name.trim().to_owned();
        let length = self.display_name.chars().count();
        errors.check(
            (1..=80).contains(&length),
            "display_name",
            "must be 1 to 80 characters long",
        );
        let plain = !self.display_name.chars().any(char::is_control);
        errors.check(plain, "display_name", "must not hold control characters");
        errors.into_result()?;
        Ok(self)
    }
}

/// Loose on purpose: whether an address exists only mail can tell.
fn is_address(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let legal = |c: char| !c.is_whitespace() && !c.is_control() && c != '@';
    text.len() <= 254
        && (1..=64).contains(&local.len())
        && local.chars().all(legal)
        && domain.len() >= 3
        && domain.contains('.')
        && domain.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_alphanumeric() || c == '-')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(email: &str, password: &str, name: &str) -> Result<NewAccount, Vec<String>> {
        let account = NewAccount {
            email: email.into(),
            password: password.into(),
            display_name: name.into(),
        };
        account.checked().map_err(|error| {
            error
                .problem(None)
                .errors
                .into_iter()
                .map(|error| error.field)
                .collect()
        })
    }

    #[test]
    fn an_account_is_normalised() {
        let account = account(" Ada@Example.ORG ", "correct horse battery", " Ada ").unwrap();
        assert_eq!(
            (account.email.as_str(), account.display_name.as_str()),
            ("ada@example.org", "Ada")
        );
    }

    #[test]
    fn all_wrong_fields_are_named() {
        assert_eq!(
            account("ada", "short", "").err().unwrap(),
            ["email", "password", "display_name"]
        );
        for password in ["Password1234", "aaaaaaaaaaaaaaaa", "ada@example.org"] {
            assert_eq!(
                account("ada@example.org", password, "Ada").err().unwrap(),
                ["password"]
            );
        }
        for email in ["a@b", "@b.c", "a b@c.de", "a@b..c", "a@-b.c", "a@@b.c"] {
            assert_eq!(
                account(email, "correct horse", "A").err().unwrap(),
                ["email"],
                "{email}"
            );
        }
    }
}
