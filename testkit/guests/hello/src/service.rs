//! The handler.

use std::hint::black_box;

use wasip3::clocks::monotonic_clock;
use wasip3::http::client;
use wasip3::http::types::{ErrorCode, Fields, Request, Response, Scheme};
use wasip3::{wit_future, wit_stream};
use wit_bindgen::StreamReader;

wasip3::http::service::export!(Hello);

struct Hello;

impl wasip3::exports::http::handler::Guest for Hello {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let target = request.get_path_with_query().unwrap_or_default();
        match target.as_str() {
            "/echo" => {
                let (_, done) = wit_future::new(|| Ok(()));
                let (body, _trailers) = Request::consume_body(request, done);
                answer(200, body)
            }
            "/trap" => core::arch::wasm32::unreachable(),
            "/spin" => loop {
                black_box(());
            },
            "/grow" => {
                let mut hoard: Vec<Vec<u8>> = Vec::new();
                loop {
                    hoard.push(black_box(vec![1; 1 << 20]));
                }
            }
            "/wait" => {
                monotonic_clock::wait_for(3_600_000_000_000).await;
                text(200, "waited")
            }
            "/late-trap" => late_trap(),
            "/environment" => text(200, environment()),
            fetch if fetch.starts_with("/fetch/") => match fetch_upstream(&fetch[7..]).await {
                Ok((status, body)) => answer(status, body),
                Err(error) => text(502, format!("{error:?}")),
            },
            _ => text(200, "hello"),
        }
    }
}

fn text(status: u16, body: impl Into<String>) -> Result<Response, ErrorCode> {
    let body = body.into();
    let (mut sender, stream) = wit_stream::new();
    wit_bindgen::spawn(async move {
        sender.write_all(body.into_bytes()).await;
    });
    answer(status, stream)
}

fn answer(status: u16, body: StreamReader<u8>) -> Result<Response, ErrorCode> {
    let (_, trailers) = wit_future::new(|| Ok(None));
    let fields = [("content-type".to_owned(), b"text/plain".to_vec())];
    let fields = Fields::from_list(&fields).map_err(|_| ErrorCode::HttpProtocolError)?;
    let (response, _sent) = Response::new(fields, Some(body), trailers);
    response
        .set_status_code(status)
        .map_err(|()| ErrorCode::HttpProtocolError)?;
    Ok(response)
}

fn late_trap() -> Result<Response, ErrorCode> {
    let (mut sender, stream) = wit_stream::new();
    wit_bindgen::spawn(async move {
        sender.write_all(b"some".to_vec()).await;
        core::arch::wasm32::unreachable();
    });
    answer(200, stream)
}

async fn fetch_upstream(target: &str) -> Result<(u16, StreamReader<u8>), ErrorCode> {
    let (authority, path) = target.split_once('/').unwrap_or((target, ""));
    let (_, trailers) = wit_future::new(|| Ok(None));
    let (request, _sent) = Request::new(Fields::new(), None, trailers, None);
    let invalid = |()| ErrorCode::HttpRequestUriInvalid;
    request.set_scheme(Some(&Scheme::Http)).map_err(invalid)?;
    request.set_authority(Some(authority)).map_err(invalid)?;
    request
        .set_path_with_query(Some(&format!("/{path}")))
        .map_err(invalid)?;
    let response = client::send(request).await?;
    let status = response.get_status_code();
    let (_, done) = wit_future::new(|| Ok(()));
    let (body, _trailers) = Response::consume_body(response, done);
    Ok((status, body))
}

fn environment() -> String {
    let variables = std::env::vars().count();
    let arguments = std::env::args().count();
    let folders = usize::from(std::fs::read_dir("/").is_ok());
    format!("{variables} {arguments} {folders}")
}
