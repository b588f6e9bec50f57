//! What came of a benchmark: the table on the screen and the file for programs.

mod goal;
mod row;
mod table;

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;

pub(crate) use row::{Row, Yardstick};

/// All that came of a benchmark.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) placement: String,
    pub(crate) runs: u32,
    pub(crate) seconds: u64,
    pub(crate) connections: u32,
    /// True for figures of a debug build, which say nothing.
    pub(crate) debug: bool,
    /// What the rows were chosen by; none: all rows.
    pub(crate) only: Vec<String>,
    pub(crate) rows: Vec<Row>,
}

impl Report {
    /// Prints the table on standard output.
    pub(crate) fn print(&self) -> anyhow::Result<()> {
        write!(std::io::stdout().lock(), "\n{}\n", self.text()).context("printing the table")
    }

    fn text(&self) -> String {
        let debug = if self.debug {
            "; DEBUG BUILD, no figures to keep"
        } else {
            ""
        };
        let missed = self
            .rows
            .iter()
            .filter(|row| row.met == Some(false))
            .count();
        format!(
            "{}\nMedians of {} rounds of {} s, {} connections; {}{debug}.\nRows with an aim missed: {missed}.\n",
            table::lay_out(&self.rows),
            self.runs,
            self.seconds,
            self.connections,
            self.placement
        )
    }

    /// Writes `latest.json`, or another name for what are no figures of all rows.
    pub(crate) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("creating {}", folder.display()))?;
        // Figures that say nothing, or not all, must not stand where others look for some.
        let name = match (self.debug, self.only.is_empty()) {
            (true, _) => "debug.json",
            (false, false) => "some.json",
            (false, true) => "latest.json",
        };
        let file = folder.join(name);
        let json = serde_json::to_string_pretty(self)?;
        std::fs::write(&file, json + "\n")
            .with_context(|| format!("writing {}", file.display()))?;
        crate::progress::line(&format!("wrote {}", file.display()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_says_how_it_was_measured_and_what_is_missed() {
        let report = Report {
            rows: row::tests::rows(),
            ..empty()
        };
        assert!(report.text().ends_with(
            "\nMedians of 3 rounds of 5 s, 32 connections; somewhere.\nRows with an aim missed: 2.\n"
        ));
    }

    #[test]
    fn the_file_has_rows_with_their_ratios() {
        let folder = tempfile::tempdir().unwrap();
        let report = Report {
            rows: row::tests::rows(),
            ..empty()
        };
        report.write(&folder.path().join("bench")).unwrap();
        let text = std::fs::read_to_string(folder.path().join("bench/latest.json")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let row = &json["rows"][2];
        assert_eq!(row["name"], "node");
        assert_eq!(row["requests_per_second"], 75.0);
        assert_eq!(
            (&row["p50_us"], &row["p99_us"]),
            (&400.4.into(), &900.0.into())
        );
        assert_eq!(
            (&row["yardstick"], &row["ratio"]),
            (&"nginx".into(), &0.75.into())
        );
        assert_eq!(
            (&row["p99_ratio"], &row["varnish_ratio"]),
            (&1.0.into(), &1.5.into())
        );
        assert_eq!(
            row["goals"][0],
            serde_json::json!({ "goal": ">= 0.8 x", "met": false })
        );
        assert_eq!(row["met"], false);
    }

    #[test]
    fn what_is_no_full_run_has_a_file_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        for (debug, only, name) in [
            (true, vec![], "debug.json"),
            (false, vec!["hit".to_owned()], "some.json"),
        ] {
            let report = Report {
                debug,
                only,
                ..empty()
            };
            report.write(folder.path()).unwrap();
            assert!(folder.path().join(name).is_file());
        }
        assert!(!folder.path().join("latest.json").exists());
    }

    fn empty() -> Report {
        Report {
            placement: "somewhere".into(),
            runs: 3,
            seconds: 5,
            connections: 32,
            debug: false,
            only: Vec::new(),
            rows: Vec::new(),
        }
    }
}
