//! Media types by the ending of a file's name.

/// What a name without a known ending has.
const UNKNOWN: &str = "application/octet-stream";

/// The media type of a name, with the charset of what is text.
pub(super) fn of(name: &[u8]) -> &'static str {
    let Some(ending) = ending(name) else {
        return UNKNOWN;
    };
    let found = TYPES.binary_search_by(|(known, _)| known.as_bytes().cmp(&ending));
    found.map_or(UNKNOWN, |at| TYPES[at].1)
}

/// Whether a name could be that of a page of an application: it has no ending that means something
/// else.
pub(super) fn is_page(name: &[u8]) -> bool {
    matches!(of(name), UNKNOWN | "text/html; charset=utf-8")
}

fn ending(name: &[u8]) -> Option<Vec<u8>> {
    let last = name.rsplit(|byte| *byte == b'/').next()?;
    let dot = last.iter().rposition(|byte| *byte == b'.')?;
    let ending = &last[dot + 1..];
    (dot > 0 && ending.len() <= 12).then(|| ending.to_ascii_lowercase())
}

/// In order.
const TYPES: [(&str, &str); 77] = [
    ("7z", "application/x-7z-compressed"),
    ("aac", "audio/aac"),
    ("apk", "application/vnd.android.package-archive"),
    ("apng", "image/apng"),
    ("atom", "application/atom+xml"),
    ("avif", "image/avif"),
    ("bmp", "image/bmp"),
    ("br", "application/octet-stream"),
    ("bz2", "application/x-bzip2"),
    ("cjs", "text/javascript; charset=utf-8"),
    ("css", "text/css; charset=utf-8"),
    ("csv", "text/csv; charset=utf-8"),
    ("doc", "application/msword"),
    (
        "docx",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ),
    ("eot", "application/vnd.ms-fontobject"),
    ("epub", "application/epub+zip"),
    ("flac", "audio/flac"),
    ("geojson", "application/geo+json"),
    ("gif", "image/gif"),
    ("gz", "application/gzip"),
    ("htm", "text/html; charset=utf-8"),
    ("html", "text/html; charset=utf-8"),
    ("ico", "image/vnd.microsoft.icon"),
    ("ics", "text/calendar; charset=utf-8"),
    ("jar", "application/java-archive"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("js", "text/javascript; charset=utf-8"),
    ("json", "application/json"),
    ("jsonld", "application/ld+json"),
    ("jxl", "image/jxl"),
    ("m3u8", "application/vnd.apple.mpegurl"),
    ("m4a", "audio/mp4"),
    ("m4s", "video/iso.segment"),
    ("m4v", "video/mp4"),
    ("map", "application/json"),
    ("md", "text/markdown; charset=utf-8"),
    ("mid", "audio/midi"),
    ("mjs", "text/javascript; charset=utf-8"),
    ("mkv", "video/matroska"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("mpd", "application/dash+xml"),
    ("mpeg", "video/mpeg"),
    ("oga", "audio/ogg"),
    ("ogg", "audio/ogg"),
    ("ogv", "video/ogg"),
    ("opus", "audio/ogg"),
    ("otf", "font/otf"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("ppt", "application/vnd.ms-powerpoint"),
    (
        "pptx",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ),
    ("rss", "application/rss+xml"),
    ("rtf", "application/rtf"),
    ("svg", "image/svg+xml"),
    ("tar", "application/x-tar"),
    ("tif", "image/tiff"),
    ("tiff", "image/tiff"),
    ("ts", "video/mp2t"),
    ("ttf", "font/ttf"),
    ("txt", "text/plain; charset=utf-8"),
    ("vtt", "text/vtt; charset=utf-8"),
    ("wasm", "application/wasm"),
    ("wav", "audio/wav"),
    ("weba", "audio/webm"),
    ("webm", "video/webm"),
    ("webmanifest", "application/manifest+json"),
    ("webp", "image/webp"),
    ("woff", "font/woff"),
    ("woff2", "font/woff2"),
    ("xhtml", "application/xhtml+xml"),
    ("xls", "application/vnd.ms-excel"),
    (
        "xlsx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ),
    ("xml", "application/xml"),
    ("zip", "application/zip"),
    ("zst", "application/zstd"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings() {
        assert!(TYPES.is_sorted());
        assert_eq!(of(b"a/b.min.JS"), "text/javascript; charset=utf-8");
        assert_eq!(of(b"a.js/b"), UNKNOWN);
        assert_eq!(of(b".html"), UNKNOWN);
        assert_eq!(of(b"x."), UNKNOWN);
        assert!(is_page(b"users/ada.lovelace") && is_page(b"a.html") && !is_page(b"app.12.js"));
    }
}
