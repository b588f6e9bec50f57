//! A database per test, copied from a migrated template in milliseconds.

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, PgPool};
use uuid::Uuid;
use zephyr_db::Db;

/// A database of a test's own. It is dropped with the value, whoever is still connected.
#[derive(Debug)]
pub struct TestDb {
    /// Its URL.
    pub url: String,
    /// Pools on it.
    pub db: Db,
}

impl TestDb {
    /// A new database with the whole schema and no rows but the migrations' own.
    ///
    /// # Panics
    ///
    /// PostgreSQL is not there, or a migration fails.
    pub async fn new() -> Self {
        let server = crate::service_url(crate::DATABASE_URL);
        let mut admin = connect(&server).await;
        let template = template(&mut admin, &server).await;
        Self::create(&server, admin, &format!("template {template}")).await
    }

    /// A new database with nothing in it, for tests of migrations.
    ///
    /// # Panics
    ///
    /// PostgreSQL is not there.
    pub async fn empty() -> Self {
        let server = crate::service_url(crate::DATABASE_URL);
        let admin = connect(&server).await;
        Self::create(&server, admin, "").await
    }

    async fn create(server: &str, mut admin: PgConnection, how: &str) -> Self {
        let name = format!("test_{}", Uuid::now_v7().simple());
        let create = format!("create database {name} {how}");
        sqlx::query(AssertSqlSafe(create))
            .execute(&mut admin)
            .await
            .expect("a test database");
        admin.close().await.expect("closing the connection");
        let url = with_database(server, &name);
        let db = Db::from_pool(pool(&url).await);
        Self { url, db }
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        let server = crate::service_url(crate::DATABASE_URL);
        let name = database_of(&self.url).to_owned();
        // A thread of its own: this one may be in a runtime, where it must not wait.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(drop_database(&server, &name))
        });
        // Somebody who stopped the server has dropped it, too.
        let _ = dropping.join();
    }
}

async fn drop_database(server: &str, name: &str) -> Result<(), sqlx::Error> {
    let options: PgConnectOptions = server.parse()?;
    let mut admin = options.connect().await?;
    let drop = format!("drop database if exists {name} with (force)");
    sqlx::query(AssertSqlSafe(drop)).execute(&mut admin).await?;
    admin.close().await
}

/// The template's name. Made by the first test that comes; the others wait for it.
async fn template(admin: &mut PgConnection, server: &str) -> String {
    const NAME: &str = "zephyr_template";
    // Sessions of this server only: another run has another server.
    sqlx::query("select pg_advisory_lock(8105)")
        .execute(&mut *admin)
        .await
        .expect("the lock");
    let exists: bool =
        sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
            .bind(NAME)
            .fetch_one(&mut *admin)
            .await
            .expect("the list of databases");
    if !exists {
        sqlx::query("drop database if exists zephyr_template_new")
            .execute(&mut *admin)
            .await
            .expect("dropping a half-made template");
        sqlx::query("create database zephyr_template_new")
            .execute(&mut *admin)
            .await
            .expect("making the template");
        let pool = pool(&with_database(server, "zephyr_template_new")).await;
        zephyr_db::migrate(&pool).await.expect("the migrations");
        pool.close().await;
        sqlx::query("alter database zephyr_template_new rename to zephyr_template")
            .execute(&mut *admin)
            .await
            .expect("naming the template");
    }
    sqlx::query("select pg_advisory_unlock(8105)")
        .execute(&mut *admin)
        .await
        .expect("the lock");
    NAME.to_owned()
}

async fn connect(url: &str) -> PgConnection {
    let options: PgConnectOptions = url.parse().expect("a PostgreSQL URL");
    options.connect().await.expect("PostgreSQL answers")
}

async fn pool(url: &str) -> PgPool {
    PgPoolOptions::new()
        .max_connections(5)
        .connect(url)
        .await
        .expect("PostgreSQL answers")
}

/// The database in a URL's path.
fn database_of(url: &str) -> &str {
    let path = url.split('?').next().unwrap_or_default();
    path.rsplit('/').next().unwrap_or_default()
}

/// The URL with another database in its path.
fn with_database(url: &str, name: &str) -> String {
    let (scheme, rest) = url.split_once("://").expect("a URL");
    let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = before.split('/').next().unwrap_or_default();
    let query = if query.is_empty() {
        String::new()
    } else {
        format!("?{query}")
    };
    format!("{scheme}://{authority}/{name}{query}")
}
