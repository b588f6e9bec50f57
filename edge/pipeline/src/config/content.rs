//! What a route says about its content: `files`, the folder it is served from, and `dictionary`, which
//! of its answers later ones are compressed with.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::compression::Coding;

/// A folder that a route's answers come from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Files {
    /// The folder.
    pub root: PathBuf,
    /// What is taken off the beginning of a request's path before it is looked up in the folder.
    #[serde(default)]
    pub strip: String,
    /// The file that stands for a folder; empty: none does.
    #[serde(default = "index")]
    pub index: String,
    /// The file that stands for what is not there, for applications with pages of their own making.
    pub fallback: Option<String>,
    /// Compressed copies that lie beside the files: `app.js.br` beside `app.js`.
    #[serde(default)]
    pub precompressed: Vec<Coding>,
    /// `Cache-Control` of the answers.
    pub cache_control: Option<String>,
}

fn index() -> String {
    "index.html".to_owned()
}

impl Files {
    /// Checks what serde does not, and looks the folder up beside the file.
    pub(super) fn check(mut self, base_dir: &Path) -> Result<Self, String> {
        if self.root.as_os_str().is_empty() {
            return Err("`files.root` is empty".to_owned());
        }
        self.root = base_dir.join(&self.root);
        let plain = |name: &str| !name.contains('/') && !name.starts_with('.');
        if !plain(&self.index) {
            return Err(format!(
                "`files.index` {:?} is not a file's name",
                self.index
            ));
        }
        if let Some(fallback) = &self.fallback
            && (fallback.is_empty()
                || !fallback
                    .split('/')
                    .all(|part| !part.is_empty() && plain(part)))
        {
            return Err(format!(
                "`files.fallback` {fallback:?} is not a path below the folder"
            ));
        }
        if !self.strip.is_empty() && (!self.strip.starts_with('/') || self.strip.ends_with('/')) {
            return Err(format!(
                "`files.strip` {:?} must begin with a slash and not end with one",
                self.strip
            ));
        }
        if let Some(value) = &self.cache_control
            && http::HeaderValue::from_str(value).is_err()
        {
            return Err("`files.cache_control` is not a field's value".to_owned());
        }
        Ok(self)
    }
}

/// Which answers of a route are dictionaries for later ones (RFC 9842).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dictionary {
    /// Which later requests a dictionary is for, and which answers are one: those whose path it
    /// matches. None: those whose upstream says `Use-As-Dictionary`.
    #[serde(rename = "match")]
    pub matches: Option<String>,
    /// What the later requests are for, as fetch destinations: `"script"`, `"document"`.
    pub match_dest: Vec<String>,
    /// A name that clients send back.
    pub id: Option<String>,
}

impl Dictionary {
    pub(super) fn check(&self) -> Result<(), String> {
        let printable = |text: &str| text.bytes().all(|b| (b' '..=b'~').contains(&b));
        if let Some(pattern) = &self.matches {
            if !pattern.starts_with('/') || !printable(pattern) {
                return Err(format!(
                    "`dictionary.match` {pattern:?} must be a path such as \"/assets/app.*.js\""
                ));
            }
            // RFC 9842, section 2.1.1 allows more of the URL Pattern syntax, without regular
            // expressions; this is what is read here.
            if pattern.contains(['(', ')', '{', '}', '?', ':', '\\', '+', '"']) {
                return Err(format!(
                    "`dictionary.match` {pattern:?} may hold no wildcard but `*`"
                ));
            }
        } else if !self.match_dest.is_empty() || self.id.is_some() {
            return Err("`dictionary` has no `match`".to_owned());
        }
        let token =
            |text: &String| !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase());
        if !self.match_dest.iter().all(token) {
            return Err("`dictionary.match_dest` must be words such as \"script\"".to_owned());
        }
        // RFC 9842, section 2.1.3.
        if let Some(id) = &self.id
            && (id.len() > 1024 || !printable(id))
        {
            return Err("`dictionary.id` must be at most 1024 printable characters".to_owned());
        }
        Ok(())
    }
}
