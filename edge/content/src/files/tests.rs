//! Folders on a real file system.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::SystemTime;

use http_body_util::BodyExt as _;
use tempfile::TempDir;

use super::*;

struct Site {
    folder: TempDir,
    files: Arc<Files>,
}

impl Site {
    fn new(change: impl FnOnce(&mut Options)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut options = Options {
            root: folder.path().join("root"),
            strip: String::new(),
            index: "index.html".into(),
            fallback: None,
            precompressed: Vec::new(),
            cache_control: None,
            compressed_later: false,
        };
        change(&mut options);
        fs::create_dir(folder.path().join("root")).unwrap();
        let files = Files::new(options);
        Self { folder, files }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join("root").join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> &Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        self
    }

    async fn ask(
        &self,
        method: Method,
        target: &str,
        fields: &[(&'static str, &str)],
    ) -> Result<Response<Content>, Refusal> {
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        let fields = fields.iter().map(|(name, value)| {
            let name = header::HeaderName::from_static(name);
            (name, value.parse::<HeaderValue>().unwrap())
        });
        let headers = HeaderMap::from_iter(fields);
        let request = Request {
            method: &method,
            path,
            query,
            headers: &headers,
            now: SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .unwrap(),
        };
        self.files.answer(request).await
    }

    async fn get(&self, target: &str, fields: &[(&'static str, &str)]) -> Got {
        let response = self.ask(Method::GET, target, fields).await.unwrap();
        let (parts, content) = response.into_parts();
        let body = match content {
            Content::Bytes(bytes) => bytes.to_vec(),
            Content::File(body) => body.collect().await.unwrap().to_bytes().to_vec(),
        };
        if let Some(length) = parts.headers.get(header::CONTENT_LENGTH) {
            let length: usize = length.to_str().unwrap().parse().unwrap();
            assert_eq!(length, body.len());
        }
        Got {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
        }
    }

    async fn refused(&self, target: &str) -> Refusal {
        self.ask(Method::GET, target, &[]).await.unwrap_err()
    }
}

struct Got {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

/// Larger than what is kept in memory, and than one chunk.
fn large() -> Vec<u8> {
    (0..300_000_u32).map(|n| (n % 251) as u8).collect()
}

#[tokio::test]
async fn a_file_and_what_is_said_of_it() {
    let site = Site::new(|options| {
        options.cache_control = Some(HeaderValue::from_static("max-age=60"));
    });
    site.write("a/b.css", "body{}").write("index.html", "home");
    let got = site.get("/a/b.css", &[]).await;
    assert_eq!((got.status, &got.body[..]), (200, &b"body{}"[..]));
    assert_eq!(got.header("content-type"), "text/css; charset=utf-8");
    assert_eq!(got.header("x-content-type-options"), "nosniff");
    assert_eq!(got.header("accept-ranges"), "bytes");
    assert_eq!(got.header("cache-control"), "max-age=60");
    assert_eq!(got.header("vary"), "");
    assert!(got.header("etag").starts_with('"'));
    assert_eq!(site.get("/?x", &[]).await.body, b"home");
    let head = site.ask(Method::HEAD, "/a/b.css", &[]).await.unwrap();
    assert_eq!(head.headers(), &got.headers);
    assert!(matches!(head.body(), Content::Bytes(bytes) if bytes.is_empty()));
    let put = site.ask(Method::PUT, "/a/b.css", &[]).await.unwrap_err();
    assert!(matches!(put, Refusal::Method));
}

#[tokio::test]
async fn what_is_not_to_be_served_is_not_there() {
    let site = Site::new(|_| {});
    site.write("sub/a", "a")
        .write(".env", "secret")
        .write("x/.git/config", "secret");
    symlink("/etc/passwd", site.path("passwd")).unwrap();
    symlink("../..", site.path("sub/up")).unwrap();
    fs::write(site.folder.path().join("outside"), "secret").unwrap();
    let pipe = std::process::Command::new("mkfifo")
        .arg(site.path("pipe"))
        .status();
    assert!(pipe.unwrap().success());
    for target in [
        "/none",
        "/.env",
        "/x/.git/config",
        "/passwd",
        "/sub/up/outside",
        "/pipe",
        "/sub/",
        "/sub/a/",
        "/sub/a/b",
        "//sub/a",
        "/%2e%2e/outside",
    ] {
        let refused = site.refused(target).await;
        assert!(matches!(refused, Refusal::NotFound), "{target} {refused:?}");
    }
}

#[tokio::test]
async fn a_folder_has_a_slash_at_its_end() {
    let site = Site::new(|options| options.strip = "/static".into());
    site.write("sub/index.html", "sub");
    let got = site.get("/static/sub?a=b", &[]).await;
    assert_eq!(
        (got.status, got.header("location")),
        (301, "/static/sub/?a=b")
    );
    assert_eq!(site.get("/static/sub/", &[]).await.body, b"sub");
    assert_eq!(
        site.get("/static", &[]).await.header("location"),
        "/static/"
    );
    assert!(matches!(site.refused("/sub/").await, Refusal::NotFound));
}

#[tokio::test]
async fn an_application_has_a_page_for_what_is_not_there() {
    let site = Site::new(|options| options.fallback = Some("index.html".into()));
    site.write("index.html", "app").write("sub/x", "x");
    for target in ["/users/ada", "/users/ada.lovelace", "/sub/", "/a.html"] {
        assert_eq!(site.get(target, &[]).await.body, b"app", "{target}");
    }
    for target in ["/app.1.js", "/.env", "/a/../b"] {
        assert!(
            matches!(site.refused(target).await, Refusal::NotFound),
            "{target}"
        );
    }
}

#[tokio::test]
async fn compressed_copies() {
    let site = Site::new(|options| options.precompressed = vec![Coding::Br, Coding::Gzip]);
    site.write("a.js", "plain")
        .write("a.js.gz", "gz")
        .write("a.js.br", "br");
    site.write("b.js", "plain").write("b.js.br", "br");
    let old = fs::File::options()
        .write(true)
        .open(site.path("b.js.br"))
        .unwrap();
    old.set_modified(SystemTime::now() - Duration::from_secs(60))
        .unwrap();
    let plain = site.get("/a.js", &[]).await;
    let mut tags = vec![plain.header("etag").to_owned()];
    assert_eq!(plain.header("vary"), "accept-encoding");
    for (accept, body, coding) in [
        ("gzip, br", "br", "br"),
        ("gzip;q=1, br;q=0.5", "gz", "gzip"),
        ("zstd", "plain", ""),
        ("br;q=0, *", "gz", "gzip"),
        ("identity, gzip;q=0.5", "plain", ""),
    ] {
        let got = site.get("/a.js", &[("accept-encoding", accept)]).await;
        assert_eq!(got.body, body.as_bytes(), "{accept}");
        assert_eq!(got.header("content-encoding"), coding);
        assert_eq!(got.header("content-type"), "text/javascript; charset=utf-8");
        tags.push(got.header("etag").to_owned());
    }
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), 3, "each has a tag of its own");
    let stale = site.get("/b.js", &[("accept-encoding", "br")]).await;
    assert_eq!(stale.body, b"plain", "the copy is of an older file");
    let refused = site
        .ask(Method::GET, "/b.js", &[("accept-encoding", "identity;q=0")])
        .await;
    assert!(matches!(refused, Err(Refusal::NotAcceptable)));
}

#[tokio::test]
async fn conditions() {
    let site = Site::new(|_| {});
    site.write("a", "a").write("large", large());
    for target in ["/a", "/large"] {
        let etag = etag(&site, target).await;
        let got = site.get(target, &[("if-none-match", &etag)]).await;
        assert_eq!((got.status, got.body.len()), (304, 0));
        assert_eq!(got.header("etag"), etag);
        assert_eq!(got.header("content-type"), "");
        assert_eq!(
            site.get(target, &[("if-none-match", "\"x\"")]).await.status,
            200
        );
        assert_eq!(site.get(target, &[("if-match", &etag)]).await.status, 200);
        let other = site
            .ask(Method::GET, target, &[("if-match", "\"x\"")])
            .await;
        assert!(matches!(other, Err(Refusal::Precondition)));
        let got = site.get(target, &[]).await;
        let modified = got.header("last-modified");
        assert_eq!(
            site.get(target, &[("if-modified-since", modified)])
                .await
                .status,
            304
        );
    }
}

/// The tag of a file; a large one that was just written gets one with the next tick.
async fn etag(site: &Site, target: &str) -> String {
    loop {
        let got = site.get(target, &[]).await;
        let etag = got.header("etag");
        if !etag.is_empty() {
            return etag.to_owned();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn ranges_of_small_and_large_files() {
    let site = Site::new(|_| {});
    let large = large();
    let small = &large[..10_000];
    site.write("large", &large).write("small", small);
    for (target, whole) in [("/large", &large[..]), ("/small", small)] {
        let got = site.get(target, &[]).await;
        assert!(got.status == 200 && got.body == whole);
        let got = site.get(target, &[("range", "bytes=9990-")]).await;
        assert_eq!((got.status, &got.body[..]), (206, &whole[9990..]));
        let range = format!("bytes 9990-{}/{}", whole.len() - 1, whole.len());
        assert_eq!(got.header("content-range"), range);
        let etag = etag(&site, target).await;
        let same = site
            .get(target, &[("range", "bytes=0-0"), ("if-range", &etag)])
            .await;
        assert_eq!((same.status, same.body.len()), (206, 1));
        let other = site
            .get(target, &[("range", "bytes=0-0"), ("if-range", "\"x\"")])
            .await;
        assert_eq!((other.status, other.body.len()), (200, whole.len()));
        let none = site.get(target, &[("range", "bytes=999999-")]).await;
        assert_eq!(none.status, 416);
        assert_eq!(
            none.header("content-range"),
            format!("bytes */{}", whole.len())
        );

        let several = site
            .get(target, &[("range", "bytes=0-99,200-299,-5")])
            .await;
        assert_eq!(several.status, 206);
        let of_all = several.header("content-type");
        let boundary = of_all
            .strip_prefix("multipart/byteranges; boundary=")
            .unwrap();
        let mut expected = Vec::new();
        for (index, (first, last)) in [(0, 99), (200, 299), (whole.len() - 5, whole.len() - 1)]
            .into_iter()
            .enumerate()
        {
            let before = if index == 0 { "" } else { "\r\n" };
            expected.extend(
                format!(
                    "{before}--{boundary}\r\nContent-Type: application/octet-stream\r\n\
                 Content-Range: bytes {first}-{last}/{}\r\n\r\n",
                    whole.len()
                )
                .bytes(),
            );
            expected.extend_from_slice(&whole[first..=last]);
        }
        expected.extend(format!("\r\n--{boundary}--\r\n").bytes());
        assert!(several.body == expected);
    }
}

#[tokio::test]
async fn a_file_that_changes_breaks_its_answer_off() {
    type Change = fn(&Path);
    let changes: [Change; 2] = [
        |path| fs::write(path, vec![b'x'; 300_000]).unwrap(),
        |path| {
            let file = fs::File::options().write(true).open(path).unwrap();
            file.set_len(70_000).unwrap();
        },
    ];
    for change in changes {
        let site = Site::new(|_| {});
        site.write("a", large());
        let response = site.ask(Method::GET, "/a", &[]).await.unwrap();
        let Content::File(mut body) = response.into_body() else {
            panic!("not a file");
        };
        body.frame().await.unwrap().unwrap();
        change(&site.path("a"));
        let mut last = body.frame().await.unwrap();
        while let Ok(frame) = last {
            assert!(!frame.into_data().unwrap().contains(&b'x'));
            last = body.frame().await.expect("an error before the end");
        }
        // One that was replaced goes on as it was.
        site.write("b", large());
        let response = site.ask(Method::GET, "/b", &[]).await.unwrap();
        site.write("new", "new");
        fs::rename(site.path("new"), site.path("b")).unwrap();
        let Content::File(body) = response.into_body() else {
            panic!("not a file");
        };
        assert!(body.collect().await.unwrap().to_bytes() == large());
    }
}

#[tokio::test]
async fn a_changed_small_file_has_another_tag_within_seconds() {
    let site = Site::new(|_| {});
    site.write("a", "one");
    let before = site.get("/a", &[]).await;
    site.write("a", "two");
    let after = loop {
        let got = site.get("/a", &[]).await;
        if got.body == b"two" {
            break got;
        }
        assert_eq!(got.header("etag"), before.header("etag"));
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_ne!(after.header("etag"), before.header("etag"));
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_a_failure() {
    let site = Site::new(|options| options.root = "/nonexistent/zephyr".into());
    assert!(matches!(site.refused("/a").await, Refusal::Failed(_)));
}
