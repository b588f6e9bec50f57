//! Which route a request takes: the longest host pattern that has a path for it wins, then the most
//! specific path pattern. Patterns are compiled once; a look-up allocates nothing.
//!
//! Tree are matched as they were sent, percent-encoding untouched, so `%2F` never separates
//! segments. Tree that an upstream might read in another way (dot segments, in any encoding) never
//! get here: see [`crate::target`].

mod host;
mod path;
mod tree;

use std::collections::HashMap;

pub use host::HostPattern;
pub use path::PathPattern;
use tree::Tree;

/// Routes by host and path. A route is a number: its place in the configuration.
#[derive(Debug, Default)]
pub struct Table {
    exact: HashMap<String, Tree>,
    /// Longest suffix first.
    wildcards: Vec<(String, Tree)>,
    any: Tree,
}

impl Table {
    /// Adds a route under all of its hosts and paths.
    ///
    /// # Errors
    ///
    /// Says which pattern is taken by an earlier route.
    pub fn insert(
        &mut self,
        hosts: &[HostPattern],
        paths: &[PathPattern],
        route: usize,
    ) -> Result<(), String> {
        for host in hosts {
            let table = self.paths_of(host);
            for path in paths {
                table.insert(path, route).map_err(|taken| {
                    format!("path {path} on host {host}: an earlier route has {taken}")
                })?;
            }
        }
        Ok(())
    }

    fn paths_of(&mut self, host: &HostPattern) -> &mut Tree {
        match host {
            HostPattern::Any => &mut self.any,
            HostPattern::Exact(name) => self.exact.entry(name.clone()).or_default(),
            HostPattern::Below(suffix) => {
                let known = self.wildcards.iter().position(|(other, _)| other == suffix);
                let at = known.unwrap_or_else(|| {
                    let at = self
                        .wildcards
                        .partition_point(|(s, _)| s.len() >= suffix.len());
                    self.wildcards.insert(at, (suffix.clone(), Tree::default()));
                    at
                });
                &mut self.wildcards[at].1
            }
        }
    }

    /// The route for a host (lower case, a port is ignored) and a path.
    #[must_use]
    pub fn find(&self, authority: &str, path: &str) -> Option<usize> {
        if !(self.exact.is_empty() && self.wildcards.is_empty()) {
            let host = without_port(authority);
            if let Some(found) = self.exact.get(host).and_then(|paths| paths.find(path)) {
                return Some(found);
            }
            let matching = self
                .wildcards
                .iter()
                .filter(|(suffix, _)| host.len() > suffix.len() && host.ends_with(suffix.as_str()));
            for (_, paths) in matching {
                if let Some(found) = paths.find(path) {
                    return Some(found);
                }
            }
        }
        self.any.find(path)
    }
}

fn without_port(authority: &str) -> &str {
    match authority.rfind(':') {
        // Inside the brackets of an IPv6 address a colon is no port's.
        Some(colon) if !authority[colon..].contains(']') => &authority[..colon],
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(routes: &[(&[&str], &[&str])]) -> Result<Table, String> {
        let mut table = Table::default();
        for (index, (hosts, paths)) in routes.iter().enumerate() {
            let hosts: Vec<_> = hosts.iter().map(|h| h.parse().unwrap()).collect();
            let paths: Vec<_> = paths.iter().map(|p| p.parse().unwrap()).collect();
            table.insert(&hosts, &paths, index)?;
        }
        Ok(table)
    }

    #[test]
    fn the_longest_host_wins_then_the_most_specific_path() {
        let table = table(&[
            (&["*"], &["/{*rest}"]),
            (&["*"], &["/api/{*rest}", "/api"]),
            (&["*"], &["/api/{id}/x"]),
            (&["*.example.com"], &["/{*rest}"]),
            (&["*.eu.example.com"], &["/only"]),
            (&["a.example.com"], &["/api"]),
        ])
        .unwrap();
        let find = |host, path| table.find(host, path);
        assert_eq!(find("other", "/x"), Some(0));
        assert_eq!(find("other", "/api"), Some(1));
        assert_eq!(find("other", "/api/1/y"), Some(1));
        assert_eq!(find("other", "/api/1/x"), Some(2));
        assert_eq!(find("b.example.com:8080", "/api"), Some(3));
        assert_eq!(
            find("example.com", "/x"),
            Some(0),
            "a wildcard needs a label of its own"
        );
        assert_eq!(find("a.eu.example.com", "/only"), Some(4));
        assert_eq!(
            find("a.eu.example.com", "/x"),
            Some(3),
            "falls back to the next host"
        );
        assert_eq!(find("a.example.com", "/api"), Some(5));
        assert_eq!(find("a.example.com", "/api/1"), Some(3));
        assert_eq!(find("[::1]:80", "/x"), Some(0));
        assert_eq!(find("other", "/"), None, "a rest is at least one character");
    }

    #[test]
    fn an_encoded_slash_stays_in_its_segment() {
        let table = table(&[(&["*"], &["/media/{image}"])]).unwrap();
        assert_eq!(table.find("h", "/media/a%2Fb"), Some(0));
        assert_eq!(table.find("h", "/media/a/b"), None);
    }

    #[test]
    fn a_pattern_that_is_taken_is_refused() {
        let error = table(&[(&["*"], &["/a/{b}"]), (&["*"], &["/a/{c}"])]).unwrap_err();
        assert_eq!(error, "path /a/{c} on host *: an earlier route has /a/{b}");
    }
}
