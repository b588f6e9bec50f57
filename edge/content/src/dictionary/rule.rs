//! What a route says about its dictionaries: which answers are one, and for what.

use http::HeaderValue;

/// Which answers of a route are dictionaries.
#[derive(Clone, Debug)]
pub struct Rule {
    pattern: String,
    field: HeaderValue,
}

impl Rule {
    /// Answers whose path matches the pattern are dictionaries for requests that do; none when that
    /// cannot be said in a field.
    #[must_use]
    pub fn new(pattern: &str, match_dest: &[String], id: Option<&str>) -> Option<Self> {
        let quoted = |text: &str| {
            let inner = text.replace('\\', "\\\\").replace('"', "\\\"");
            format!("\"{inner}\"")
        };
        let mut field = format!("match={}", quoted(pattern));
        if !match_dest.is_empty() {
            let list: Vec<String> = match_dest.iter().map(|dest| quoted(dest)).collect();
            field.push_str(&format!(", match-dest=({})", list.join(" ")));
        }
        if let Some(id) = id {
            field.push_str(&format!(", id={}", quoted(id)));
        }
        Some(Self {
            pattern: pattern.to_owned(),
            field: HeaderValue::from_str(&field).ok()?,
        })
    }

    /// `Use-As-Dictionary` for the answer to a path, if it is a dictionary.
    #[must_use]
    pub fn field(&self, path: &str) -> Option<&HeaderValue> {
        matches(&self.pattern, path).then_some(&self.field)
    }
}

/// Whether a path is one of a pattern, in which `*` stands for any characters.
fn matches(pattern: &str, path: &str) -> bool {
    let Some((front, rest)) = pattern.split_once('*') else {
        return pattern == path;
    };
    let Some(mut path) = path.strip_prefix(front) else {
        return false;
    };
    let mut rest = rest;
    while let Some((middle, after)) = rest.split_once('*') {
        // The first place is as good as any: what follows has the most room.
        let Some(at) = path.find(middle) else {
            return false;
        };
        path = &path[at + middle.len()..];
        rest = after;
    }
    path.ends_with(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, path, expected) in [
            ("/assets/app.*.js", "/assets/app.1.js", true),
            ("/assets/app.*.js", "/assets/app.1.css", false),
            ("/assets/app.*.js", "/assets/app.js", false),
            ("/a", "/a", true),
            ("/a", "/ab", false),
            ("/*", "/", true),
            ("/a*b*c", "/axbxbxc", true),
            ("/a*b*c", "/axc", false),
            ("/a*a", "/a", false),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern} {path}");
        }
        let rule = Rule::new("/a*", &["script".into(), "style".into()], Some("v\"1")).unwrap();
        assert_eq!(
            rule.field("/ab").unwrap(),
            r#"match="/a*", match-dest=("script" "style"), id="v\"1""#
        );
        assert_eq!(rule.field("/b"), None);
    }
}
