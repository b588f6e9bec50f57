//! What the filter does when it is asked to.

use std::hint::black_box;
use std::time::Duration;

use serde::Deserialize;
use zephyr_edge_core::capability::{Algorithm, Level, Limit};
use zephyr_edge_core::verdict::Reply;
use zephyr_edge_core::{Exchange, HeaderError, Host, Verdict};

/// One deed. Results go into request fields that begin with `x-result`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Deed {
    /// Nothing.
    Nothing,
    /// Executes `unreachable`.
    Trap,
    /// Panics with a message.
    Panic,
    /// Never returns.
    Loop,
    /// Takes memory until there is none.
    Grow,
    /// Recurses without end.
    Recurse,
    /// Sleeps for an hour.
    Sleep,
    /// Leaves the program.
    Exit,
    /// Replies with status 99.
    BadStatus,
    /// Replies with a field that ends its line.
    BadReply,
    /// Replies with `transfer-encoding`.
    ForbiddenReply,
    /// Replies as one should.
    Reply,
    /// Writes fields that it must not, and reports what the host said.
    ForbiddenHeader,
    /// Adds fields without end.
    HeaderFlood,
    /// Adds parts to the cache key without end.
    KeyFlood,
    /// Writes log lines without end, long ones too.
    LogFlood,
    /// Writes to standard output without end.
    PrintFlood,
    /// Reads what there is of the exchange and copies it to request fields.
    Mirror,
    /// Says everything that one can say to the cache.
    Cache,
    /// Uses keys and values, those of the site too.
    Kv,
    /// Reads one key.
    KvOnce,
    /// Counts against a limit of two.
    Limit,
    /// Verifies a signature given in request fields.
    Verify,
    /// Refuses its configuration.
    RefuseConfig,
    /// Traps in `configure`.
    TrapInConfig,
    /// Never returns from `configure`.
    LoopInConfig,
}

impl Deed {
    pub(crate) async fn run<X: Exchange, H: Host>(self, exchange: &mut X, host: &H) -> Verdict {
        // Changed before the deed, so that a test sees the exchange come back as it was then.
        let _ = exchange.set_header("x-before", "1");
        match self {
            Self::Trap => trap(),
            Self::Panic => panic!("panicked as asked"),
            Self::Loop => spin(),
            Self::Grow => grow(),
            Self::Recurse => drop(black_box(recurse(black_box(1)))),
            #[expect(
                clippy::disallowed_methods,
                reason = "a filter that waits is the point"
            )]
            Self::Sleep => std::thread::sleep(Duration::from_secs(3600)),
            Self::Exit => std::process::exit(3),
            Self::BadStatus => return Reply::new(99).into(),
            Self::BadReply => return Reply::new(200).with_header("x-a", "b\r\nx-c: d").into(),
            Self::ForbiddenReply => {
                return Reply::new(200)
                    .with_header("Transfer-Encoding", "chunked")
                    .into();
            }
            Self::Reply => return reply(),
            Self::ForbiddenHeader => forbidden(exchange),
            Self::HeaderFlood => header_flood(exchange),
            Self::KeyFlood => key_flood(exchange),
            Self::LogFlood => log_flood(host),
            Self::PrintFlood => print_flood(),
            Self::Mirror => mirror(exchange),
            Self::Cache => cache(exchange),
            Self::Kv => kv(exchange, host).await,
            Self::KvOnce => {
                let value = host.get("one").await;
                report(exchange, &format!("{value:?}"));
            }
            Self::Limit => limit(exchange, host).await,
            Self::Verify => verify(exchange, host).await,
            Self::Nothing | Self::RefuseConfig | Self::TrapInConfig | Self::LoopInConfig => {}
        }
        Verdict::Next
    }
}

fn trap() -> ! {
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_arch = "wasm32"))]
    std::process::abort();
}

pub(crate) fn spin() -> ! {
    loop {
        black_box(());
    }
}

fn grow() {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    loop {
        hoard.push(black_box(vec![1; 1 << 20]));
    }
}

#[expect(unconditional_recursion, reason = "running out of stack is the point")]
fn recurse(depth: u64) -> [u64; 64] {
    let mut frame = [depth; 64];
    frame[0] = black_box(recurse(black_box(depth + 1)))[0] + frame[1];
    black_box(frame)
}

fn reply() -> Verdict {
    let reply = Reply {
        status: 403,
        headers: vec![
            ("content-type".to_owned(), "text/plain".to_owned()),
            ("x-twice".to_owned(), "1".to_owned()),
            ("x-twice".to_owned(), "2".to_owned()),
        ],
        body: b"no".to_vec(),
    };
    reply.into()
}

fn said(result: Result<(), HeaderError>) -> &'static str {
    match result {
        Ok(()) => "ok",
        Err(HeaderError::InvalidName) => "invalid-name",
        Err(HeaderError::InvalidValue) => "invalid-value",
        Err(HeaderError::Forbidden) => "forbidden",
    }
}

fn report<X: Exchange>(exchange: &mut X, value: &str) {
    exchange
        .append_header("x-result", value)
        .expect("a report is a legal field");
}

fn forbidden<X: Exchange>(exchange: &mut X) {
    let results = [
        exchange.set_header("Connection", "close"),
        exchange.append_header("Content-Length", "3"),
        exchange.remove_header("host"),
        exchange.set_response_header("transfer-encoding", "chunked"),
        exchange.set_header("a b", "c"),
        exchange.set_header("x-a", "b\r\nx-c: d"),
        exchange.append_response_header("x-a", "\0"),
        exchange.set_path_and_query("no-slash"),
        exchange.set_path_and_query("/a#b"),
        exchange.set_path_and_query("/new?x=1"),
    ];
    for result in results {
        report(exchange, said(result));
    }
}

fn header_flood<X: Exchange>(exchange: &mut X) {
    let mut written = 0_u32;
    while written < 1_000_000 {
        if let Err(error) = exchange.append_header("x-flood", "1") {
            let _ = exchange.set_header("x-stopped", said(Err(error)));
            break;
        }
        written += 1;
    }
    let long = "x".repeat(1 << 20);
    let long = said(exchange.set_header("x-before", &long)).to_owned();
    let _ = exchange.set_header("x-long", &long);
}

fn key_flood<X: Exchange>(exchange: &mut X) {
    loop {
        exchange.add_key_part("part");
    }
}

fn log_flood<H: Host>(host: &H) {
    let long = "é".repeat(100_000);
    for _ in 0..1000 {
        host.log(Level::Info, "flood");
        host.log(Level::Error, &long);
    }
}

#[expect(clippy::print_stdout, reason = "printing is the point")]
fn print_flood() {
    let long = "x".repeat(10_000);
    for _ in 0..1000 {
        println!("{long}");
    }
}

fn mirror<X: Exchange>(exchange: &mut X) {
    let mut seen = vec![
        exchange.request_id().into_owned(),
        exchange.method().into_owned(),
        exchange.scheme().into_owned(),
        exchange.authority().into_owned(),
        exchange.path().into_owned(),
        format!("{:?}", exchange.query()),
        exchange.client_ip().into_owned(),
        exchange.route().into_owned(),
        format!("{:?}", exchange.header("X-Many")),
        format!("{:?}", exchange.header("x-latin")),
        format!("{:?}", exchange.header("not a token")),
        format!("{:?}", exchange.status()),
        format!("{:?}", exchange.response_header("x")),
        format!(
            "{:?}",
            exchange
                .headers()
                .iter()
                .filter(|(name, _)| name == "x-many")
                .count()
        ),
        format!("{:?}", exchange.response_headers()),
    ];
    let _ = exchange.set_response_header("x-kept", "1");
    let _ = exchange.append_response_header("x-kept", "2");
    let _ = exchange.set_response_header("x-dropped", "1");
    let _ = exchange.remove_response_header("X-Dropped");
    let _ = exchange.remove_header("x-latin");
    for value in seen.drain(..) {
        report(exchange, &value);
    }
}

fn cache<X: Exchange>(exchange: &mut X) {
    exchange.bypass("test");
    exchange.set_ttl(1);
    exchange.set_stale_while_revalidate(2);
    exchange.set_stale_if_error(3);
    exchange.set_key_query(Some("a=1"));
    exchange.add_key_part("part");
    exchange.add_surrogate_keys(&["one", "two", "no good"]);
}

async fn kv<X: Exchange, H: Host>(exchange: &mut X, host: &H) {
    let text = |value: Result<Option<Vec<u8>>, _>| match value {
        Ok(value) => format!(
            "{:?}",
            value.map(|value| String::from_utf8_lossy(&value).into_owned())
        ),
        Err(error) => format!("{error:?}"),
    };
    report(exchange, &text(host.get("counter").await));
    report(
        exchange,
        &format!("{:?}", host.set("counter", b"1", None).await),
    );
    report(exchange, &text(host.get("counter").await));
    report(exchange, &format!("{:?}", host.delete("counter").await));
    report(exchange, &text(host.get("counter").await));
    report(exchange, &text(host.get("site/shared").await));
    report(
        exchange,
        &format!("{:?}", host.set("site/shared", b"1", None).await.is_err()),
    );
    report(
        exchange,
        &format!("{:?}", host.delete("site/shared").await.is_err()),
    );
    report(exchange, &format!("{:?}", host.get("").await.is_err()));
    report(
        exchange,
        &format!("{:?}", host.get(&"k".repeat(513)).await.is_err()),
    );
    let large = vec![0; (1 << 20) + 1];
    report(
        exchange,
        &format!("{:?}", host.set("k", &large, None).await.is_err()),
    );
}

async fn limit<X: Exchange, H: Host>(exchange: &mut X, host: &H) {
    let limit = Limit {
        key: "hostile".to_owned(),
        count: 1,
        period: Duration::from_secs(3600),
        burst: 2,
        cost: 1,
    };
    let said = match host.check(std::slice::from_ref(&limit)).await {
        Ok(decisions) => format!("{} {}", decisions[0].allowed, decisions[0].remaining),
        Err(error) => format!("{error:?}"),
    };
    report(exchange, &said);
    let bad = Limit { count: 0, ..limit };
    report(exchange, &format!("{}", host.check(&[bad]).await.is_err()));
}

async fn verify<X: Exchange, H: Host>(exchange: &mut X, host: &H) {
    let bytes = |name: &str| exchange.header(name).map(|v| v.into_owned().into_bytes());
    let (key, message, signature) = (bytes("x-key"), bytes("x-message"), bytes("x-signature"));
    let (Some(key), Some(message), Some(signature)) = (key, message, signature) else {
        return;
    };
    let result = host
        .verify(Algorithm::Hs256, &key, &message, &signature)
        .await;
    report(exchange, &format!("{result:?}"));
}
