//! `--only`: which rows are run.

use super::case::{Case, StageKind};
use super::rows::ADDED_STAGES;

/// Texts of which a row's name must hold one, in any case of letters. None: every row.
#[derive(Debug)]
pub(crate) struct Selection {
    patterns: Vec<String>,
}

impl Selection {
    pub(crate) fn new(patterns: &[String]) -> Self {
        let patterns = patterns
            .iter()
            .map(|pattern| pattern.to_lowercase())
            .collect();
        Self { patterns }
    }

    /// Whether the row of this name is wanted.
    pub(crate) fn wants(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        self.patterns.is_empty() || self.patterns.iter().any(|pattern| name.contains(pattern))
    }

    /// The wanted cases, and those that they are measured against.
    pub(crate) fn cases(&self, mut cases: Vec<Case>) -> Vec<Case> {
        let wanted: Vec<String> = cases
            .iter()
            .filter(|case| self.wants_case(case))
            .flat_map(|case| {
                let yardsticks = [case.yardstick.clone(), case.varnish.clone()];
                std::iter::once(case.name.clone()).chain(yardsticks.into_iter().flatten())
            })
            .collect();
        cases.retain(|case| wanted.contains(&case.name));
        cases
    }

    fn wants_case(&self, case: &Case) -> bool {
        match case.stages {
            None => self.wants(&case.name),
            // The line of each kind starts at no stage.
            Some((_, 0)) => ADDED_STAGES
                .iter()
                .any(|(kind, ..)| self.wants_stages(*kind)),
            Some((kind, _)) => self.wants_stages(kind),
        }
    }

    /// Whether the row of what a stage of this kind costs is wanted.
    pub(crate) fn wants_stages(&self, kind: StageKind) -> bool {
        ADDED_STAGES
            .iter()
            .any(|(of, name, _)| *of == kind && self.wants(name))
    }
}

#[cfg(test)]
mod tests {
    use super::super::rows;
    use super::*;

    fn names(patterns: &[&str]) -> Vec<String> {
        let patterns: Vec<String> = patterns.iter().map(|&text| text.to_owned()).collect();
        let cases = Selection::new(&patterns).cases(rows::cases());
        cases.into_iter().map(|case| case.name).collect()
    }

    #[test]
    fn yardsticks_come_along() {
        assert_eq!(
            names(&["tls HIT, 1 kib"]),
            ["nginx TLS hit, 1 KiB", "TLS hit, 1 KiB"]
        );
        assert_eq!(
            names(&["100 kib, from disk"]),
            [
                "nginx hit, 100 KiB",
                "varnish hit, 100 KiB",
                "hit, 100 KiB, from disk"
            ]
        );
    }

    #[test]
    fn a_slope_has_all_its_points() {
        assert_eq!(
            names(&["four host calls"]),
            [
                "0 stages, Plain",
                "1 stages, FourCalls",
                "2 stages, FourCalls",
                "4 stages, FourCalls",
                "8 stages, FourCalls"
            ]
        );
    }

    #[test]
    fn nothing_said_is_everything() {
        assert_eq!(names(&[]).len(), rows::cases().len());
        assert!(names(&["no such row"]).is_empty());
    }
}
