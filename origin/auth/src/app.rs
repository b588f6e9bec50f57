//! Use cases.

use std::sync::Arc;

use sqlx::PgTransaction;
use time::OffsetDateTime;
use uuid::Uuid;
use zephyr_db::Db;
use zephyr_origin_core::{ApiError, new_id};

use crate::keys::SigningKeys;
use crate::model::{self, Credentials, NewAccount, Tokens};
use crate::password::Passwords;
use crate::token::{LIFETIME, Tokenizer};
use crate::{events, refresh, store};

/// What every account may do.
const SCOPE: &str = "listings:write";

/// The service.
#[derive(Clone, Debug)]
pub struct Auth {
    pub(crate) db: Db,
    tokenizer: Arc<Tokenizer>,
    pub(crate) passwords: Passwords,
    pub(crate) jwks: Arc<serde_json::Value>,
}

impl Auth {
    /// The service over a database, with these keys.
    ///
    /// # Errors
    ///
    /// A key cannot be used.
    pub fn new(db: Db, keys: &SigningKeys) -> Result<Self, jsonwebtoken::errors::Error> {
        Ok(Self {
            db,
            tokenizer: Arc::new(Tokenizer::new(keys)?),
            passwords: Passwords::new(),
            jwks: Arc::new(keys.jwks()),
        })
    }

    /// What verifies the tokens of this service.
    #[must_use]
    pub fn verifier(&self) -> Arc<Tokenizer> {
        Arc::clone(&self.tokenizer)
    }

    /// The public keys, as a JWK Set.
    #[must_use]
    pub fn jwks(&self) -> &serde_json::Value {
        &self.jwks
    }

    /// Makes an account and its first session.
    pub(crate) async fn register(
        &self,
        account: NewAccount,
        user_agent: &str,
    ) -> Result<Tokens, ApiError> {
        let hash = self.passwords.hash(account.password).await?;
        let user = new_id();
        let mut tx = self.db.begin().await?;
        store::insert_user(&mut tx, user, &account.email, &account.display_name, &hash)
            .await
            .map_err(|error| match error.unique_violation() {
                Some("users_email_key") => {
                    ApiError::conflict("There is an account with this email address.")
                }
                _ => error.into(),
            })?;
        events::OUTBOX
            .publish(&mut tx, &events::registered(user))
            .await?;
        let tokens = self.open_session(&mut tx, user, user_agent).await?;
        tx.commit().await.map_err(zephyr_db::DbError::from)?;
        tracing::info!(user.id = %user, "Registered user {user}");
        Ok(tokens)
    }

    /// Makes a session for who knows the password.
    pub(crate) async fn login(
        &self,
        credentials: Credentials,
        user_agent: &str,
    ) -> Result<Tokens, ApiError> {
        let refused =
            || ApiError::unauthorized(None, "There is no account with this address and password.");
        // Longer ones and what is not an address cannot be anybody's, and would only cost time.
        if credentials.password.chars().count() > 128 {
            return Err(refused());
        }
        let email = model::address(&credentials.email).ok_or_else(refused)?;
        // By the address and not by the account, and before the hash: an address without an account
        // gets the same answers after the same time. Counted before it is known how it ends, so that
        // guesses sent at once count too.
        let attempts = store::Attempts::of(&email);
        if let Some(wait) = attempts.count(&self.db).await? {
            let detail = "Too many failed logins for this address.";
            return Err(ApiError::too_many_requests(detail, wait));
        }
        let account = store::account(&self.db, &email).await?;
        let (user, hash) = account
            .map(|account| (account.id, account.password_hash))
            .unzip();
        let correct = self.passwords.verify(credentials.password, hash).await?;
        let user = user.filter(|_| correct).ok_or_else(refused)?;
        let mut tx = self.db.begin().await?;
        attempts.forget(&mut tx).await?;
        let tokens = self.open_session(&mut tx, user, user_agent).await?;
        tx.commit().await.map_err(zephyr_db::DbError::from)?;
        Ok(tokens)
    }

    /// The next tokens of a session. The token is spent; a spent one ends the session.
    pub(crate) async fn refresh(&self, token: &str) -> Result<Tokens, ApiError> {
        let refused = || {
            ApiError::unauthorized(
                Some("invalid_token"),
                "The refresh token is not valid any more.",
            )
        };
        let hash = refresh::hash(token).ok_or_else(refused)?;
        let mut tx = self.db.begin().await?;
        let token = store::lock_token(&mut tx, &hash)
            .await?
            .ok_or_else(refused)?;
        if token.revoked_at.is_some() || token.expires_at <= OffsetDateTime::now_utc() {
            return Err(refused());
        }
        if token.used_at.is_some() {
            store::revoke(&mut tx, token.session_id, "reuse").await?;
            tx.commit().await.map_err(zephyr_db::DbError::from)?;
            tracing::warn!(
                session.id = %token.session_id, user.id = %token.user_id,
                "A spent refresh token came again: session {} ended", token.session_id
            );
            return Err(refused());
        }
        store::spend(&mut tx, &hash).await?;
        let tokens = self
            .tokens(&mut tx, token.user_id, token.session_id)
            .await?;
        tx.commit().await.map_err(zephyr_db::DbError::from)?;
        Ok(tokens)
    }

    /// Ends the session of a token; not an error when there is none.
    pub(crate) async fn logout(&self, token: &str) -> Result<(), ApiError> {
        let Some(hash) = refresh::hash(token) else {
            return Ok(());
        };
        let mut tx = self.db.begin().await?;
        if let Some(token) = store::lock_token(&mut tx, &hash).await? {
            store::revoke(&mut tx, token.session_id, "logout").await?;
        }
        tx.commit().await.map_err(zephyr_db::DbError::from)?;
        Ok(())
    }

    async fn open_session(
        &self,
        tx: &mut PgTransaction<'_>,
        user: Uuid,
        user_agent: &str,
    ) -> Result<Tokens, ApiError> {
        let session = new_id();
        let user_agent: String = user_agent.chars().take(256).collect();
        store::insert_session(tx, session, user, &user_agent).await?;
        self.tokens(tx, user, session).await
    }

    async fn tokens(
        &self,
        tx: &mut PgTransaction<'_>,
        user: Uuid,
        session: Uuid,
    ) -> Result<Tokens, ApiError> {
        let (refresh_token, hash) = refresh::make()?;
        store::insert_token(tx, &hash, session).await?;
        Ok(Tokens {
            user_id: user,
            access_token: self.tokenizer.issue(user, SCOPE)?,
            token_type: "Bearer",
            expires_in: LIFETIME,
            scope: SCOPE.to_owned(),
            refresh_token,
        })
    }
}
