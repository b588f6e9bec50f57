//! Exports a [`Filter`](zephyr_edge_core::Filter) as a component of the world
//! `wasi:http/middleware@0.3.0`, so that it stands before any application of any host of `wasi:http`
//! 0.3. A component crate needs one line:
//!
//! ```ignore
//! zephyr_edge_middleware::export_middleware!(MyPolicy);
//! ```
//!
//! What a policy is configured with is written into the component's file when it is exported
//! ([`settings`]; `zephyr component export --as middleware`). Bodies are spliced, never copied.
//!
//! | capability | what it is here |
//! |---|---|
//! | keys and values | the site's keys that the export was given; none of the component's own |
//! | rate limits | counters in the key-value store `default`, by compare-and-swap |
//! | signatures | checked in Rust |
//! | cache policy | said to caches before and behind as `CDN-Cache-Control` and `Surrogate-Key` |
#![cfg(all(target_family = "wasm", target_os = "wasi"))]

mod handle;
mod host;
mod next;
mod settings;
mod voice;

#[doc(hidden)]
pub use handle::Slot;
#[doc(hidden)]
pub use wasip3;

/// Exports a [`Filter`](zephyr_edge_core::Filter) as this crate's component.
#[macro_export]
macro_rules! export_middleware {
    ($policy:ty) => {
        const _: () = {
            static POLICY: $crate::Slot<$policy> = $crate::Slot::new();

            struct Component;

            impl $crate::wasip3::exports::http::handler::Guest for Component {
                async fn handle(
                    request: $crate::wasip3::http::types::Request,
                ) -> Result<
                    $crate::wasip3::http::types::Response,
                    $crate::wasip3::http::types::ErrorCode,
                > {
                    POLICY.handle(request).await
                }
            }

    $crate::wasip3::http::service::export!(Component with_types_in $crate::wasip3);
        };
    };
}
