//! Accounts, sessions and access tokens.
//!
//! Routes:
//!
//! * `POST /api/auth/register` -- makes an account, and a session with it.
//! * `POST /api/auth/login` -- makes a session.
//! * `POST /api/auth/refresh` -- new tokens for a session; the old refresh token is spent.
//! * `POST /api/auth/logout` -- ends the session of a refresh token.
//! * `GET /.well-known/jwks.json` -- the keys that access tokens are signed with (RFC 7517).
//!
//! Events out: `user.registered` `{user_id}`. Events in: none.
//! Tables (schema `auth`): `users`, `sessions`, `refresh_tokens`, `login_attempts`, `outbox`.
//!
//! Access tokens are JWTs signed with EdDSA (RFC 8037), valid for ten minutes, and verified by the
//! edge and by the origin alike. Refresh tokens are 256 random bits, kept as SHA-256, valid for 30
//! days and for one use: a spent one that comes again ends the session, whoever sent it
//! (RFC 9700, section 4.14.2).

mod app;
pub mod events;
pub mod jobs;
pub mod keys;
mod model;
mod password;
mod refresh;
mod routes;
pub mod seed;
mod store;
pub mod token;

pub use app::Auth;
pub use keys::{KeyError, SigningKeys};
pub use model::{Credentials, NewAccount, RefreshToken, Tokens};
pub use token::Tokenizer;
