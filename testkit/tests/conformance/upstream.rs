//! The upstream of all hosts: it answers each case by that case's script, and remembers what it saw.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

use crate::wire::{self, Message};

/// An answer that the upstream gives.
#[derive(Clone, Debug)]
pub(crate) struct Up {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(&'static str, String)>,
    pub(crate) body: String,
    pub(crate) fault: Fault,
}

/// How an answer goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It does not.
    None,
    /// The connection is closed without an answer.
    Close,
    /// The body is shorter than the head says.
    Short,
    /// What comes is not HTTP.
    Garbage,
    /// Nothing comes, for longer than anybody waits.
    Stall,
}

#[derive(Debug, Default)]
struct Script {
    answers: VecDeque<Up>,
    seen: Vec<Message>,
}

/// The upstream. A case is known by the second segment of the path.
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    scripts: Arc<Mutex<HashMap<String, Script>>>,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream = Self {
            address: listener.local_addr().unwrap(),
            scripts: Arc::default(),
        };
        let serving = upstream.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = serving.clone();
                tokio::spawn(async move {
                    let _ = serving.serve(stream).await;
                });
            }
        });
        upstream
    }

    /// Adds answers to a case's script.
    pub(crate) fn will(&self, case: &str, answers: &[Up]) {
        let mut scripts = self.scripts.lock().unwrap();
        let script = scripts.entry(case.to_owned()).or_default();
        script.answers.extend(answers.iter().cloned());
    }

    /// What it has seen of a case since it was last asked.
    pub(crate) fn take_seen(&self, case: &str) -> Vec<Message> {
        let mut scripts = self.scripts.lock().unwrap();
        std::mem::take(&mut scripts.entry(case.to_owned()).or_default().seen)
    }

    /// How many of a case's answers have not been asked for.
    pub(crate) fn left(&self, case: &str) -> usize {
        let mut scripts = self.scripts.lock().unwrap();
        scripts.entry(case.to_owned()).or_default().answers.len()
    }

    /// Gives up on a case's answers.
    pub(crate) fn forget(&self, case: &str) {
        self.scripts.lock().unwrap().remove(case);
    }

    async fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        while let Some(request) = wire::read(&mut stream, false).await? {
            let target = request
                .first
                .split(' ')
                .nth(1)
                .unwrap_or_default()
                .to_owned();
            let is_head = request.first.starts_with("HEAD ");
            let case = target
                .split(['/', '?'])
                .nth(2)
                .unwrap_or_default()
                .to_owned();
            let answer = {
                let mut scripts = self.scripts.lock().unwrap();
                let script = scripts.entry(case).or_default();
                script.seen.push(request);
                script.answers.pop_front()
            };
            let unasked = Up::new(599, "the case's script has no more answers");
            let answer = answer.unwrap_or(unasked);
            match answer.fault {
                Fault::Close => return Ok(()),
                Fault::Garbage => return stream.write_all(b"HELLO\r\n\r\n").await,
                Fault::Stall => {
                    tokio::time::sleep(Duration::from_secs(60)).await;
                    return Ok(());
                }
                Fault::None | Fault::Short => {}
            }
            stream.write_all(&answer.to_bytes(is_head)).await?;
            if answer.fault == Fault::Short {
                return stream.shutdown().await;
            }
        }
        Ok(())
    }
}

impl Up {
    pub(crate) fn new(status: u16, body: &str) -> Self {
        Self {
            status,
            fields: Vec::new(),
            body: body.to_owned(),
            fault: Fault::None,
        }
    }

    fn to_bytes(&self, is_head: bool) -> Vec<u8> {
        let mut text = format!("HTTP/1.1 {} Status\r\n", self.status);
        for (name, value) in &self.fields {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        let bodiless = matches!(self.status, 204 | 304);
        if !bodiless {
            let more = if self.fault == Fault::Short { 7 } else { 0 };
            text.push_str(&format!("content-length: {}\r\n", self.body.len() + more));
        }
        text.push_str("\r\n");
        if !bodiless && !is_head {
            text.push_str(&self.body);
        }
        text.into_bytes()
    }
}
