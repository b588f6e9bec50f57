//! Requests that are odd and legal, and what of them an upstream sees.

pub(super) struct Case {
    pub(super) request: &'static [u8],
    /// The targets of all requests in it.
    pub(super) targets: &'static [&'static str],
    /// The body of the first.
    pub(super) body: &'static str,
}

macro_rules! case {
    ($request:literal, $targets:expr, $body:literal) => {
        Case {
            request: $request,
            targets: &$targets,
            body: $body,
        }
    };
    ($request:literal, $target:literal) => {
        case!($request, [$target], "")
    };
}

pub(super) const CASES: &[Case] = &[
    // Lines and targets.
    case!(b"\r\nGET /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", "/x"),
    case!(b"\r\n\r\nGET /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", "/x"),
    case!(b"GET http://A:80/abs?q HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", "/abs?q"),
    case!(b"GET http://a HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", "/"),
    case!(b"GET HTTP://a/x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", "/x"),
    case!(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", "/"),
    case!(b"GET //x//y HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", "//x//y"),
    case!(b"GET /dots...and..dots HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", "/dots...and..dots"),
    case!(b"GET /.well-known HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", "/.well-known"),
    case!(b"GET /a%2Fb%20c HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", "/a%2Fb%20c"),
    case!(b"GET /a;b=c:d@e!$&'()*+,=-._~ HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", "/a;b=c:d@e!$&'()*+,=-._~"),
    case!(b"GET /x?a=100%&b=[c]|{d}^\\ HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", "/x?a=100%&b=[c]|{d}^\\"),
    case!(b"GET /x? HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", "/x?"),
    case!(b"GET /x?http://b/../c?d HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", "/x?http://b/../c?d"),
    case!(b"OPTIONS /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", "/x"),
    case!(b"PURGE /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", "/x"),
    case!(b"M-SEARCH /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", "/x"),
    // HTTP/1.0.
    case!(b"GET /old HTTP/1.0\r\n\r\n", "/old"),
    case!(b"GET /old HTTP/1.0\r\nhost: a\r\n\r\n", "/old"),
    case!(b"POST /old HTTP/1.0\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc", ["/old"], "abc"),
    case!(b"GET /1 HTTP/1.0\r\nconnection: keep-alive\r\n\r\nGET /2 HTTP/1.0\r\n\r\n", ["/1", "/2"], ""),
    case!(b"GET /old HTTP/1.0\r\nexpect: whatever\r\n\r\n", "/old"),
    // Hosts.
    case!(b"GET /x HTTP/1.1\r\nHOST: A.example\r\nconnection: close\r\n\r\n", "/x"),
    case!(b"GET /x HTTP/1.1\r\nhost: a:\r\nconnection: close\r\n\r\n", "/x"),
    case!(b"GET /x HTTP/1.1\r\nhost: a:65535\r\nconnection: close\r\n\r\n", "/x"),
    case!(b"GET /x HTTP/1.1\r\nhost: [::1]:80\r\nconnection: close\r\n\r\n", "/x"),
    case!(b"GET /x HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n", "/x"),
    case!(b"GET /x HTTP/1.1\r\nx: y\r\nhost:a\t \r\nconnection: close\r\n\r\n", "/x"),
    // Field lines.
    case!(b"GET /x HTTP/1.1\r\nhost: a\r\nx:\r\ny: \r\nz:\t b \t\r\nconnection: close\r\n\r\n", "/x"),
    case!(b"GET /x HTTP/1.1\r\nhost: a\r\nx: caf\xe9 \xff\r\nconnection: close\r\n\r\n", "/x"),
    case!(b"GET /x HTTP/1.1\r\nhost: a\r\n!#$%&'*+-.^_`|~09az: y\r\nconnection: close\r\n\r\n", "/x"),
    case!(b"GET /x HTTP/1.1\r\nhost: a\r\naccept: a\r\naccept: b,,c, \r\nconnection: close\r\n\r\n", "/x"),
    case!(b"GET /x HTTP/1.1\r\nhost: a\r\nconnection: close, te , , x-y\r\nte: trailers\r\nx-y: z\r\n\r\n", "/x"),
    case!(b"GET /x HTTP/1.1\r\nhost: a\r\nupgrade: h2c\r\nconnection: close, upgrade, http2-settings\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n\r\n", "/x"),
    // Framing.
    case!(b"GET /x HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", "/x"),
    case!(b"GET /x HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\nconnection: close\r\n\r\nabc", ["/x"], "abc"),
    case!(b"POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 0003\r\nconnection: close\r\n\r\nabc", ["/x"], "abc"),
    case!(b"POST /x HTTP/1.1\r\nhost: a\r\nContent-Length:3\t\r\nconnection: close\r\n\r\na\nb", ["/x"], "a\nb"),
    case!(b"POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: CHUNKED\r\nconnection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n", ["/x"], "abc"),
    case!(b"POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n0\r\n\r\n", "/x"),
    case!(b"POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n0003\r\nabc\r\nA\r\n0123456789\r\n000\r\n\r\n", ["/x"], "abc0123456789"),
    case!(b"POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n3;x=\"y;\\\"z\"\r\nabc\r\n0;last\r\n\r\n", ["/x"], "abc"),
    case!(b"POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n3 ; x = y ;z\r\nabc\r\n0\r\n\r\n", ["/x"], "abc"),
    case!(b"POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntrailer: t\r\nconnection: close\r\n\r\n3\r\nabc\r\n0\r\nt: 1\r\nu:\r\n\r\n", ["/x"], "abc"),
    case!(b"POST /1 HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET /2 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", ["/1", "/2"], "abc"),
    case!(b"POST /1 HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc\r\nGET /2 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", ["/1", "/2"], "abc"),
    case!(b"GET /1 HTTP/1.1\r\nhost: a\r\nupgrade: nothing\r\nconnection: upgrade\r\n\r\nGET /2 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", ["/1", "/2"], ""),
    case!(b"POST /x HTTP/1.1\r\nhost: a\r\nexpect: 100-Continue\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", "/x"),
];
