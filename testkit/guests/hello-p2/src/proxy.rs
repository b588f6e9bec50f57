//! The handler.

use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingBody, IncomingRequest, OutgoingBody, OutgoingRequest,
    OutgoingResponse, ResponseOutparam, Scheme,
};
use wasip2::io::streams::{OutputStream, StreamError};

wasip2::http::proxy::export!(Hello);

struct Hello;

impl wasip2::exports::http::incoming_handler::Guest for Hello {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        match target.as_str() {
            "/echo" => echo(&request, out),
            "/trap" => core::arch::wasm32::unreachable(),
            "/silent" => {}
            fetch if fetch.starts_with("/fetch/") => {
                let text = match fetch_status(&fetch[7..]) {
                    Ok(status) => status.to_string(),
                    Err(error) => format!("{error:?}"),
                };
                answer(out, |body| body.blocking_write_and_flush(text.as_bytes()));
            }
            _ => answer(out, |body| body.blocking_write_and_flush(b"hello")),
        }
    }
}

/// Answers with a body that is written while it is sent.
fn answer(out: ResponseOutparam, write: impl FnOnce(&OutputStream) -> Result<(), StreamError>) {
    let response = OutgoingResponse::new(Fields::new());
    let body = response.body().expect("asked for once");
    ResponseOutparam::set(out, Ok(response));
    let stream = body.write().expect("asked for once");
    // When the client has gone there is nobody to tell.
    let written = write(&stream);
    drop(stream);
    if written.is_ok() {
        let _ = OutgoingBody::finish(body, None);
    }
}

fn echo(request: &IncomingRequest, out: ResponseOutparam) {
    let body = request.consume().expect("asked for once");
    let input = body.stream().expect("asked for once");
    answer(out, |output| {
        // An error is the end of the stream, or a client that has gone.
        while let Ok(part) = input.blocking_read(4096) {
            output.blocking_write_and_flush(&part)?;
        }
        Ok(())
    });
    drop(input);
    drop(IncomingBody::finish(body));
}

fn fetch_status(authority: &str) -> Result<u16, ErrorCode> {
    let invalid = |()| ErrorCode::HttpRequestUriInvalid;
    let request = OutgoingRequest::new(Fields::new());
    request.set_scheme(Some(&Scheme::Http)).map_err(invalid)?;
    request.set_authority(Some(authority)).map_err(invalid)?;
    request.set_path_with_query(Some("/")).map_err(invalid)?;
    let pending = outgoing_handler::handle(request, None)?;
    pending.subscribe().block();
    let response = pending
        .get()
        .expect("it is ready")
        .expect("asked for once")?;
    Ok(response.status())
}
