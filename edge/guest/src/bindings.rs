//! What wit-bindgen makes of `wit/filter.wit`.
#![allow(
    missing_docs,
    clippy::all,
    clippy::allow_attributes,
    reason = "generated code"
)]

wit_bindgen::generate!({
    path: "../../wit",
    world: "filter",
    pub_export_macro: true,
    export_macro_name: "__export_filter_world",
    default_bindings_module: "zephyr_edge_guest::bindings",
});
