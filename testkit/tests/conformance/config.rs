//! The site that all hosts run: one `zephyr.toml`, the same for each.

use std::net::SocketAddr;

/// The text, with where the upstream is and the keys that tokens are signed with.
pub(crate) fn text(upstream: SocketAddr, jwks: &str) -> String {
    format!(
        r#"
[listen]
http = "127.0.0.1:0"
max_body_bytes = "64KiB"

[log]
access = false

[upstreams.origin]
url = "http://{upstream}"

[upstreams.slow]
url = "http://{upstream}"
first_byte_timeout = "500ms"

[upstreams.down]
url = "http://127.0.0.1:1"

[components.auth]
path = "$components/auth.wasm"
kind = "filter"

[components.ratelimit]
path = "$components/ratelimit.wasm"
kind = "filter"

[components.cache]
path = "$components/cache.wasm"
kind = "filter"

[[routes]]
name = "open"
paths = ["/open/{{*rest}}"]
upstream = "origin"
cache = true

[[routes]]
name = "pass"
paths = ["/pass/{{*rest}}"]
cache = false
upstream = "origin"

[[routes]]
name = "slow"
paths = ["/slow/{{*rest}}"]
upstream = "slow"
cache = true

[[routes]]
name = "down"
paths = ["/down/{{*rest}}"]
upstream = "down"
cache = true

[[routes]]
name = "auth"
paths = ["/auth/{{*rest}}"]
upstream = "origin"
cache = true
[[routes.stages]]
filter = "auth"
[routes.stages.config]
issuer = "zephyr"
audience = "zephyr"
jwks = {jwks}
algorithms = ["EdDSA", "ES256", "HS256"]
public = [{{ methods = ["GET", "HEAD", "OPTIONS"] }}]
scopes = [{{ methods = ["POST", "DELETE"], scopes = ["listings:write"] }}]

[[routes]]
name = "members"
paths = ["/members/{{*rest}}"]
upstream = "origin"
cache = true
[[routes.stages]]
filter = "auth"
[routes.stages.config]
issuer = "zephyr"
audience = "zephyr"
jwks = {jwks}
algorithms = ["EdDSA", "ES256", "HS256"]

[[routes]]
name = "nokeys"
paths = ["/nokeys/{{*rest}}"]
upstream = "origin"
[[routes.stages]]
filter = "auth"
[routes.stages.config]
issuer = "zephyr"
audience = "zephyr"
jwks_kv = "site/never-there"

[[routes]]
name = "limit"
paths = ["/limit/{{*rest}}"]
upstream = "origin"
cache = true
[[routes.stages]]
filter = "ratelimit"
[routes.stages.config]
limits = [{{ name = "key", key = ["header:x-key"], count = 2, period = "1h", burst = 2 }}]

[[routes]]
name = "limits"
paths = ["/limits/{{*rest}}"]
upstream = "origin"
[[routes.stages]]
filter = "ratelimit"
[routes.stages.config]
limits = [
    {{ name = "wide", key = ["header:x-key"], count = 5, period = "1h", burst = 5 }},
    {{ name = "writes", key = ["header:x-key", "method"], count = 1, period = "1h", methods = ["POST"] }},
]

[[routes]]
name = "guarded"
paths = ["/guarded/{{*rest}}"]
upstream = "origin"
[[routes.stages]]
filter = "ratelimit"
[routes.stages.config]
limits = [{{ name = "key", key = ["header:x-key"], count = 1, period = "1h" }}]
[[routes.stages]]
filter = "auth"
[routes.stages.config]
issuer = "zephyr"
audience = "zephyr"
jwks = {jwks}
algorithms = ["EdDSA", "ES256", "HS256"]

[[routes]]
name = "rules"
paths = ["/rules/{{*rest}}"]
upstream = "origin"
cache = true
[[routes.stages]]
filter = "cache"
[routes.stages.config]
drop_query = ["utm_*"]
sort_query = true
surrogate_keys = ["rules"]
ttl = "1m"
key_headers = ["x-tenant"]
bypass = [{{ cookies = ["session"], reason = "signed-in" }}]

[[routes]]
name = "elsewhere"
hosts = ["elsewhere.example"]
paths = ["/host/{{*rest}}"]
upstream = "origin"

[[routes]]
name = "anywhere"
paths = ["/host/{{*rest}}", "/one/{{name}}/leaf"]
upstream = "origin"
"#
    )
}
