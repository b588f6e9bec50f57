//! Path patterns as a tree of segments. On each level a literal beats `{name}`, which beats
//! `{*rest}`; when the better way leads nowhere, the next one is tried. A node is visited at most once
//! for a path, because its depth says at which segment.

use std::collections::HashMap;

use super::PathPattern;

/// The patterns below one place in a path.
#[derive(Debug, Default)]
pub(super) struct Tree {
    literals: HashMap<String, Tree>,
    one: Option<Box<Tree>>,
    rest: Option<Leaf>,
    end: Option<Leaf>,
}

#[derive(Clone, Debug)]
struct Leaf {
    route: usize,
    pattern: PathPattern,
}

impl Tree {
    /// Adds a pattern; an equal one that is there already is the error. Names in braces do not tell
    /// patterns apart.
    pub(super) fn insert(
        &mut self,
        pattern: &PathPattern,
        route: usize,
    ) -> Result<(), PathPattern> {
        let mut tree = self;
        let leaf = Leaf {
            route,
            pattern: pattern.clone(),
        };
        for segment in pattern.as_str()[1..].split('/') {
            if segment.starts_with("{*") {
                return put(&mut tree.rest, leaf);
            }
            tree = if segment.starts_with('{') {
                tree.one.get_or_insert_default()
            } else {
                tree.literals.entry(segment.to_owned()).or_default()
            };
        }
        put(&mut tree.end, leaf)
    }

    /// The route for a path. The path begins with `/`.
    pub(super) fn find(&self, path: &str) -> Option<usize> {
        self.find_below(path.strip_prefix('/')?)
    }

    fn find_below(&self, path: &str) -> Option<usize> {
        let (segment, below) = match path.split_once('/') {
            Some((segment, below)) => (segment, Some(below)),
            None => (path, None),
        };
        let follow = |tree: &Self| match below {
            Some(below) => tree.find_below(below),
            None => tree.end.as_ref().map(|leaf| leaf.route),
        };
        let literal = self.literals.get(segment).and_then(follow);
        literal
            .or_else(|| {
                self.one
                    .as_deref()
                    .filter(|_| !segment.is_empty())
                    .and_then(follow)
            })
            .or_else(|| {
                self.rest
                    .as_ref()
                    .filter(|_| !path.is_empty())
                    .map(|leaf| leaf.route)
            })
    }
}

fn put(place: &mut Option<Leaf>, leaf: Leaf) -> Result<(), PathPattern> {
    match place {
        Some(taken) => Err(taken.pattern.clone()),
        None => {
            *place = Some(leaf);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(patterns: &[&str]) -> Tree {
        let mut tree = Tree::default();
        for (route, pattern) in patterns.iter().enumerate() {
            tree.insert(&pattern.parse().unwrap(), route).unwrap();
        }
        tree
    }

    #[test]
    fn better_ways_are_tried_first_and_left_when_they_lead_nowhere() {
        let tree = tree(&[
            "/{*rest}",
            "/a/{b}/c",
            "/a/b/d",
            "/a/{*rest}",
            "/",
            "/a/",
            "/{x}/{y}",
        ]);
        for (path, route) in [
            ("/a/b/c", 1),
            ("/a/b/d", 2),
            ("/a/b/e", 3),
            ("/a/b", 3),
            ("/", 4),
            ("/a/", 5),
            ("/a", 0),
            ("/z/y", 6),
            ("/z/", 0),
            ("//", 0),
            ("/z/y/x", 0),
            ("/a//c", 3),
        ] {
            assert_eq!(tree.find(path), Some(route), "{path}");
        }
    }

    #[test]
    fn a_rest_is_at_least_one_character() {
        let tree = tree(&["/a/{*rest}"]);
        assert_eq!(tree.find("/a/b/"), Some(0));
        assert_eq!(tree.find("/a/"), None);
        assert_eq!(tree.find("/a"), None);
    }

    #[test]
    fn names_do_not_tell_patterns_apart() {
        let mut tree = tree(&["/a/{b}"]);
        let taken = tree.insert(&"/a/{c}".parse().unwrap(), 1).unwrap_err();
        assert_eq!(taken.as_str(), "/a/{b}");
    }
}
