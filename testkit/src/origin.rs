//! An origin for a test: `TestOrigin::start().await`, then ask it.

use reqwest::{Client, Method, RequestBuilder, Response};
use secrecy::SecretString;
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;
use zephyr_origin::{Config, Server};

use crate::TestDb;

/// The admin token of every test origin.
pub const ADMIN_TOKEN: &str = "admin-token-of-the-tests";
/// The edge token of every test origin.
pub const EDGE_TOKEN: &str = "edge-token-of-the-tests";

/// A real origin on a free port, over a database of its own.
#[derive(Debug)]
pub struct TestOrigin {
    /// `http://127.0.0.1:port`.
    pub url: String,
    /// Its database.
    pub database: TestDb,
    /// For requests to anything.
    pub client: Client,
    server: Server,
    _folder: TempDir,
}

/// A registered user.
#[derive(Clone, Debug)]
pub struct User {
    /// Their id.
    pub id: Uuid,
    /// For `Authorization: Bearer`.
    pub access_token: String,
    /// For the next one.
    pub refresh_token: String,
}

impl TestOrigin {
    /// Starts one.
    ///
    /// # Panics
    ///
    /// It does not start.
    pub async fn start() -> Self {
        let database = TestDb::new().await;
        let folder = tempfile::tempdir().expect("a folder");
        let config = Config {
            listen: ([127, 0, 0, 1], 0).into(),
            database_url: SecretString::from(database.url.clone()),
            admin_token: SecretString::from(ADMIN_TOKEN),
            edge_token: SecretString::from(EDGE_TOKEN),
            signing_key: folder.path().join("key.pem"),
            ..Config::default()
        };
        let server = Server::start(config).await.expect("the origin starts");
        published(&database).await;
        let url = format!("http://{}", server.addr());
        // No pool: a test must not wait for connections of another.
        let client = Client::builder().no_proxy().build().expect("a client");
        Self {
            url,
            database,
            client,
            server,
            _folder: folder,
        }
    }

    /// A request to a path of the origin.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    /// The answer to a GET.
    ///
    /// # Panics
    ///
    /// There is none.
    pub async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path)
            .send()
            .await
            .expect("an answer")
    }

    /// The answer to a POST of JSON.
    ///
    /// # Panics
    ///
    /// There is none.
    pub async fn post(&self, path: &str, body: &Value) -> Response {
        self.request(Method::POST, path)
            .json(body)
            .send()
            .await
            .expect("an answer")
    }

    /// A request of an operator.
    pub fn admin(&self, method: Method, path: &str) -> RequestBuilder {
        self.request(method, path).bearer_auth(ADMIN_TOKEN)
    }

    /// Registers a user of that name.
    ///
    /// # Panics
    ///
    /// The origin refuses.
    pub async fn user(&self, name: &str) -> User {
        let answer = self
            .post(
                "/api/auth/register",
                &json!({
                    "email": format!("{name}@example.org"),
                    "password": "correct horse battery",
                    "display_name": name,
                }),
            )
            .await;
        assert_eq!(answer.status(), 201, "registering {name}");
        let tokens: Value = answer.json().await.expect("JSON");
        let text = |field: &str| tokens[field].as_str().expect("a text").to_owned();
        User {
            id: text("user_id").parse().expect("an id"),
            access_token: text("access_token"),
            refresh_token: text("refresh_token"),
        }
    }

    /// Stops it.
    pub async fn stop(self) {
        self.server.shutdown().await;
    }
}

/// The origin publishes its keys beside its first requests; a test begins once that is done, so that
/// what it sees of the change log does not depend on which was faster.
async fn published(database: &TestDb) {
    let keys = async {
        loop {
            let there: bool = sqlx::query_scalar("select exists (select from control.kv)")
                .fetch_one(database.db.write())
                .await
                .expect("the database answers");
            if there {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), keys)
        .await
        .expect("the origin publishes its keys");
}
