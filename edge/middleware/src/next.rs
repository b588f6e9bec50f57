//! Whoever stands behind the middleware: the import `wasi:http/handler@0.3.0`.

#[allow(
    missing_docs,
    clippy::all,
    clippy::allow_attributes,
    reason = "generated code"
)]
mod bindings {
    wit_bindgen::generate!({
        path: "wit",
        world: "zephyr:middleware/next@0.1.0",
        with: {
            "wasi:http/types@0.3.0": wasip3::http::types,
        },
        generate_all,
    });
}

pub(crate) use bindings::wasi::http::handler::handle;
