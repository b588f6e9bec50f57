//! What `bindgen!` makes of `edge/node/wit`, from the host's side.

wasmtime::component::bindgen!({
    path: "wit",
    world: "spin-imports",
    imports: {
        "wasi:config/store.get": trappable,
        "wasi:config/store.get-all": trappable,
        "wasi:keyvalue/store.open": trappable,
        "wasi:keyvalue/store.[drop]bucket": trappable,
        "wasi:keyvalue/atomics.[drop]cas": trappable,
        "spin:key-value/key-value.[drop]store": trappable,
        "spin:key-value/key-value.[static]store.open": async | store | trappable,
        "spin:key-value/key-value.[method]store.get": async | store | trappable,
        "spin:key-value/key-value.[method]store.set": async | store | trappable,
        "spin:key-value/key-value.[method]store.delete": async | store | trappable,
        "spin:key-value/key-value.[method]store.exists": async | store | trappable,
        "spin:key-value/key-value.[method]store.get-keys": async | store | trappable,
        "spin:variables/variables.get": async | store | trappable,
        // These may have to wait for a server.
        default: async | trappable,
    },
    with: {
        "wasi:keyvalue/store.bucket": super::bucket::Bucket,
        "wasi:keyvalue/atomics.cas": super::keyvalue::Cas,
        "spin:key-value/key-value.store": super::bucket::Bucket,
    },
    require_store_data_send: true,
});
