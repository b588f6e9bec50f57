//! What `dev` tells the person who started it: progress lines, and in the end what is where.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret as _, SecretString};

/// Everything that is up.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) origin: SocketAddr,
    pub(crate) edges: Vec<EdgeAddrs>,
    pub(crate) data: PathBuf,
    pub(crate) database: String,
    pub(crate) admin_token: SecretString,
    pub(crate) demo: Option<Demo>,
}

/// Where an edge node listens.
#[derive(Debug)]
pub(crate) struct EdgeAddrs {
    pub(crate) http: SocketAddr,
    pub(crate) admin: Option<SocketAddr>,
}

/// The account that seeding makes.
#[derive(Debug)]
pub(crate) struct Demo {
    pub(crate) email: String,
    pub(crate) password: String,
}

/// One progress line.
pub(crate) fn line(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "dev: {text}");
}

/// Runs one part's start between two progress lines.
pub(crate) async fn step<T>(
    name: &str,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    line(name);
    let start = Instant::now();
    let outcome = work.await?;
    line(&format!(
        "{name}: done in {:.1} s",
        start.elapsed().as_secs_f64()
    ));
    Ok(outcome)
}

/// Prints what is where.
pub(crate) fn show(running: &Running, took: Duration) {
    let _ = std::io::stderr()
        .lock()
        .write_all(text(running, took).as_bytes());
}

fn text(running: &Running, took: Duration) -> String {
    let mut lines = vec![
        String::new(),
        format!("Zephyr is up after {:.1} s.", took.as_secs_f64()),
    ];
    lines.push(String::new());
    for (index, edge) in running.edges.iter().enumerate() {
        let name = format!("edge {}", index + 1);
        let admin = edge.admin.map_or_else(String::new, |admin| {
            format!("   health and metrics: http://{admin}/-/ready, /-/metrics")
        });
        lines.push(format!("  {name:<12}http://{}{admin}", edge.http));
    }
    let origin = running.origin;
    lines.push(format!(
        "  {:<12}http://{origin}   API documents: http://{origin}/docs",
        "origin"
    ));
    lines.push(format!("  {:<12}{}", "database", running.database));
    lines.push(format!("  {:<12}{}", "data", running.data.display()));
    lines.push(format!(
        "  {:<12}{}",
        "admin token",
        running.admin_token.expose_secret()
    ));
    if let Some(demo) = &running.demo {
        lines.push(format!(
            "  {:<12}{} with password {}",
            "demo user", demo.email, demo.password
        ));
    }
    if let Some(edge) = running.edges.first() {
        lines.push(String::new());
        lines.push("Try, twice (a miss, then a hit), without a token, and as an operator:".into());
        lines.push(String::new());
        lines.push(format!(
            "  curl -i 'http://{}/api/listings?q=bike'",
            edge.http
        ));
        lines.push(format!(
            "  curl -i -X POST http://{}/api/listings",
            edge.http
        ));
        lines.push(format!(
            "  curl -H 'Authorization: Bearer {}' http://{origin}/admin/api/nodes",
            running.admin_token.expose_secret()
        ));
    }
    lines.push(String::new());
    lines.push("Ctrl-C stops all of it; the data stays for the next start.".into());
    lines.push(String::new());
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_banner_says_what_a_newcomer_needs() {
        let running = Running {
            origin: ([127, 0, 0, 1], 8081).into(),
            edges: vec![
                EdgeAddrs {
                    http: ([127, 0, 0, 1], 8080).into(),
                    admin: Some(([127, 0, 0, 1], 9080).into()),
                },
                EdgeAddrs {
                    http: ([127, 0, 0, 1], 8082).into(),
                    admin: None,
                },
            ],
            data: "/work/.zephyr".into(),
            database: "private, in the data folder".into(),
            admin_token: "s3cret".to_owned().into(),
            demo: Some(Demo {
                email: "demo@example.com".into(),
                password: "demo-pass".into(),
            }),
        };
        let text = text(&running, Duration::from_millis(1234));
        for part in [
            "up after 1.2 s",
            "http://127.0.0.1:8080",
            "http://127.0.0.1:9080/-/ready",
            "edge 2      http://127.0.0.1:8082\n",
            "http://127.0.0.1:8081/docs",
            "admin token s3cret",
            "demo@example.com with password demo-pass",
            "Ctrl-C stops",
        ] {
            assert!(text.contains(part), "{part:?} is not in:\n{text}");
        }
        assert_eq!(text.matches("  curl ").count(), 3);
    }
}
