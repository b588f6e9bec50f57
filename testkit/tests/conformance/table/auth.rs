//! Tokens accepted, and refused in each way (RFC 6750, section 3.1; RFC 8725).

use serde_json::json;

use crate::case::{Case, case, get, ok, post, send};
use crate::tokens::Keys;

pub(crate) fn cases(keys: &Keys) -> Vec<Case> {
    let write = |token: String| post("/auth/@", "x").with("authorization", token);
    let refused = |name, token: String| {
        case(
            name,
            [write(token)
                .gives(401)
                .has("www-authenticate", "error=\"invalid_token\"")
                .is("content-type", "application/problem+json")
                .is("cache-control", "no-store")
                .carries("x-request-id")],
        )
    };
    let good = keys.good();
    let accepted = |name, token: String| {
        let seen = token.clone();
        case(
            name,
            [write(token)
                .up(ok("written"))
                .body("written")
                .sees("authorization", &seen)
                .sees("x-zephyr-subject", "anna")
                .sees_body("x")],
        )
    };
    vec![
        accepted("a token signed with EdDSA", good.clone()),
        accepted("a token signed with ES256", keys.es256()),
        accepted("a token signed with HS256", keys.hs256()),
        accepted(
            "a token for several audiences",
            keys.with(json!({ "aud": ["other", "zephyr"] })),
        ),
        accepted(
            "the scheme in any case",
            good.replacen("Bearer", "bearer", 1),
        ),
        case(
            "no token where one is needed",
            [
                post("/auth/@", "x")
                    .gives(401)
                    .has("www-authenticate", "Bearer realm=\"zephyr\"")
                    .has_not("www-authenticate", "error"),
                send("DELETE", "/auth/@").gives(401),
                get("/members/@").gives(401),
                send("HEAD", "/members/@").gives(401),
            ],
        ),
        case(
            "no token where none is needed",
            [get("/auth/@")
                .up(ok("public"))
                .body("public")
                .sees_no("x-zephyr-subject")],
        ),
        case(
            "another scheme counts as no token",
            [post("/auth/@", "x")
                .with("authorization", "Basic YTpi")
                .gives(401)],
        ),
        case(
            "credentials that break the syntax",
            [
                write("Bearer".to_owned())
                    .gives(400)
                    .has("www-authenticate", "invalid_request"),
                write("Bearer a b".to_owned()).gives(400),
            ],
        ),
        refused("a token that is none", "Bearer x.y.z".to_owned()),
        refused("a token that has expired", keys.expired()),
        refused("a token that is not valid yet", keys.not_yet()),
        refused(
            "a token of another issuer",
            keys.with(json!({ "iss": "evil" })),
        ),
        refused(
            "a token for another audience",
            keys.with(json!({ "aud": "other" })),
        ),
        refused("a token signed by somebody else", keys.foreign()),
        refused("a token of an unknown key", keys.unknown_key()),
        refused("a token that nobody signed", keys.unsigned()),
        refused(
            "a token with an unknown critical extension",
            keys.critical(),
        ),
        refused("a token changed after it was signed", keys.forged()),
        case(
            "a bad token on a public route is refused",
            [get("/auth/@")
                .with("authorization", keys.expired())
                .gives(401)],
        ),
        case(
            "a token without the scope",
            [write(keys.with(json!({ "scope": "listings:read" })))
                .gives(403)
                .has("www-authenticate", "insufficient_scope")
                .has("www-authenticate", "listings:write")],
        ),
        case(
            "no key is known yet",
            [
                get("/nokeys/@")
                    .with("authorization", good.clone())
                    .gives(503),
                get("/nokeys/@").gives(401),
            ],
        ),
        case(
            "members may read, and no cache gives that to others",
            [
                get("/members/@")
                    .with("authorization", good.clone())
                    .up(ok("secret").cc("max-age=60"))
                    .body("secret")
                    .cache("detail=authorization"),
                get("/members/@").gives(401),
                get("/members/@")
                    .with("authorization", good.clone())
                    .up(ok("again").cc("max-age=60"))
                    .body("again"),
            ],
        ),
        case(
            "an answer for members that says public is shared among them",
            [
                get("/members/@")
                    .with("authorization", good.clone())
                    .up(ok("shared").cc("public, max-age=60"))
                    .miss(),
                get("/members/@")
                    .with("authorization", keys.with(json!({ "sub": "ben" })))
                    .hit(),
                get("/members/@").gives(401),
            ],
        ),
        case(
            "what clients write into our own fields is taken out",
            [get("/auth/@")
                .with("x-zephyr-subject", "root")
                .with("X_Zephyr_Scope", "all")
                .up(ok("x"))
                .sees_no("x-zephyr-subject")
                .sees_no("x_zephyr_scope")],
        ),
    ]
}
