//! What comes in and goes out.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use zephyr_http::Fields;
use zephyr_origin_core::ApiError;

/// A new account.
#[derive(Clone, ToSchema)]
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
#[derive(Clone, ToSchema)]
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
    /// Reads an account; its address comes out in lower case.
    ///
    /// # Errors
    ///
    /// 422 that names every wrong field.
    pub(crate) fn read(mut fields: Fields) -> Result<Self, ApiError> {
        let email: Option<String> = fields.required("email");
        let email = email.and_then(|text| {
            let email = address(&text);
            fields.check(email.is_some(), "email", "must be an email address");
            email
        });
        let password: Option<String> = fields.required("password");
        if let Some(password) = &password {
            let length = password.chars().count();
            fields.check(
                (12..=128).contains(&length),
                "password",
                "must be 12 to 128 characters long",
            );
            let lower = password.to_lowercase();
            let easy = COMMON.contains(&lower.as_str())
                || lower.chars().all(|c| lower.starts_with(c))
                || Some(&lower) == email.as_ref();
            fields.check(!easy, "password", "is among those that are guessed first");
        }
        let display_name: Option<String> = fields.required("display_name");
        let display_name = display_name.map(|name| name.trim().to_owned());
        if let Some(name) = &display_name {
            let length = name.chars().count();
            fields.check(
                (1..=80).contains(&length),
                "display_name",
                "must be 1 to 80 characters long",
            );
            let plain = !name.chars().any(char::is_control);
            fields.check(plain, "display_name", "must not hold control characters");
        }
        fields.finish()?;
        // Whatever is not there was noted above.
        email
            .zip(password)
            .zip(display_name)
            .map(|((email, password), display_name)| Self {
                email,
                password,
                display_name,
            })
            .ok_or_else(|| ApiError::internal("a missing field was not noted"))
    }
}

impl Credentials {
    /// Reads credentials, whosoever they are.
    ///
    /// # Errors
    ///
    /// 422 that names every wrong field.
    pub(crate) fn read(mut fields: Fields) -> Result<Self, ApiError> {
        let email: Option<String> = fields.required("email");
        let password: Option<String> = fields.required("password");
        fields.finish()?;
        email
            .zip(password)
            .map(|(email, password)| Self { email, password })
            .ok_or_else(|| ApiError::internal("a missing field was not noted"))
    }
}

/// The address in the form in which accounts have it; none when it is not an address.
pub(crate) fn address(text: &str) -> Option<String> {
    let email = text.trim().to_lowercase();
    is_address(&email).then_some(email)
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
    use serde_json::{Value, json};

    use super::*;

    fn account(email: &str, password: &str, name: &str) -> Result<NewAccount, Vec<String>> {
        read(json!({ "email": email, "password": password, "display_name": name }))
    }

    fn read(body: Value) -> Result<NewAccount, Vec<String>> {
        let fields = Fields::parse(body.to_string().as_bytes()).unwrap();
        NewAccount::read(fields).map_err(|error| {
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
        assert_eq!(
            read(json!({ "email": 7, "display_name": null, "x": 1 }))
                .err()
                .unwrap(),
            ["email", "password", "display_name", "x"]
        );
        for password in ["Password1234", "aaaaaaaaaaaaaaaa", "ada@example.org"] {
            assert_eq!(
                account("ada@example.org", password, "Ada").err().unwrap(),
                ["password"]
            );
        }
        for email in [
            "a@b", "@b.c", "a b@c.de", "a@b..c", "a@-b.c", "a@@b.c", "a\0@b.cd",
        ] {
            assert_eq!(
                account(email, "correct horse", "A").err().unwrap(),
                ["email"],
                "{email}"
            );
        }
    }
}
