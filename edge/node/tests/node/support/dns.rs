//! A name server on a real UDP socket, whose records a test changes.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::net::UdpSocket;

/// What it says.
#[derive(Default)]
struct Records {
    addresses: HashMap<String, Vec<Ipv4Addr>>,
    /// It answers nothing at all.
    silent: bool,
    asked: usize,
}

/// A name server that knows addresses (A) and no more; they live for a second.
pub(crate) struct TestDns {
    address: SocketAddr,
    records: Arc<Mutex<Records>>,
}

impl TestDns {
    pub(crate) async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let records = Arc::new(Mutex::new(Records::default()));
        let known = Arc::clone(&records);
        tokio::spawn(async move {
            let mut buffer = [0; 1500];
            while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
                let answer = answer(&mut known.lock().unwrap(), &buffer[..length]);
                if let Some(answer) = answer {
                    let _ = socket.send_to(&answer, peer).await;
                }
            }
        });
        Self { address, records }
    }

    /// The section of a configuration that asks it.
    pub(crate) fn config(&self) -> String {
        let address = self.address;
        format!(
            "[dns]\nservers = [\"{address}\"]\ntimeout = \"1s\"\nmin_ttl = \"50ms\"\nmax_ttl = \"100ms\"\nretry = \"50ms\"\n"
        )
    }

    pub(crate) fn set(&self, name: &str, addresses: &[Ipv4Addr]) {
        let mut records = self.records.lock().unwrap();
        records
            .addresses
            .insert(name.to_owned(), addresses.to_vec());
    }

    pub(crate) fn silence(&self, silent: bool) {
        self.records.lock().unwrap().silent = silent;
    }

    /// Waits until it has been asked twice more: what it says now is known then.
    pub(crate) async fn asked_again(&self) {
        let asked = || self.records.lock().unwrap().asked;
        let before = asked();
        while asked() < before + 4 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
}

/// RFC 1035, section 4: header, question, and an address record for each address.
fn answer(records: &mut Records, query: &[u8]) -> Option<Vec<u8>> {
    records.asked += 1;
    if records.silent {
        return None;
    }
    let question = query.get(12..)?;
    let mut labels = Vec::new();
    let mut at = 0;
    while question[at] != 0 {
        let length = usize::from(question[at]);
        let label = String::from_utf8_lossy(&question[at + 1..at + 1 + length]);
        labels.push(label.to_lowercase());
        at += 1 + length;
    }
    let kind = u16::from_be_bytes([question[at + 1], question[at + 2]]);
    let question = &question[..at + 5];
    let known = records.addresses.get(&labels.join("."));
    let addresses = match (kind, known) {
        (1, Some(addresses)) => addresses.clone(),
        _ => Vec::new(),
    };
    let code = if known.is_some() { 0 } else { 3 };
    let count = u8::try_from(addresses.len()).unwrap();
    let mut answer = query[..2].to_vec();
    answer.extend([0x85, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0]);
    answer.extend(question);
    for address in addresses {
        // A pointer to the question's name, type A, class IN, a second, four bytes.
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]);
        answer.extend(address.octets());
    }
    Some(answer)
}
