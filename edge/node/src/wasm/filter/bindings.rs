//! What `bindgen!` makes of `wit/filter.wit`, from the host's side.

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "filter",
    imports: {
        // These may have to wait for a server.
        "zephyr:edge/kv.get": async | trappable,
        "zephyr:edge/kv.set": async | trappable,
        "zephyr:edge/kv.delete": async | trappable,
        "zephyr:edge/limiter.check": async | trappable,
        // All others return at once and cost no future.
        default: trappable,
    },
    exports: { default: async },
    with: { "zephyr:edge/http-exchange.exchange": super::state::Handle },
    require_store_data_send: true,
});
