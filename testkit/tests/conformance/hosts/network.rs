//! A host at the other end of a socket.

use std::net::SocketAddr;

use crate::case::Exchange;
use crate::wire::{self, Message};

/// Sends the request as it stands in the table, on a connection of its own.
pub(crate) async fn ask(address: SocketAddr, request: &Exchange) -> Result<Message, String> {
    let mut text = format!(
        "{} {} HTTP/1.1\r\nhost: {address}\r\n",
        request.method, request.target
    );
    let mut closes = false;
    for (name, value) in &request.fields {
        closes |= *name == "connection";
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if !closes {
        text.push_str("connection: close\r\n");
    }
    if !request.body.is_empty() || !matches!(request.method, "GET" | "HEAD" | "OPTIONS" | "TRACE") {
        text.push_str(&format!("content-length: {}\r\n", request.body.len()));
    }
    text.push_str("\r\n");
    text.push_str(&request.body);
    wire::exchange(address, request.method, text.as_bytes()).await
}
