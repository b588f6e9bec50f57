//! The table on the screen and the file for programs.

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;

use super::load::Measured;

/// All that came of a benchmark.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) placement: String,
    pub(crate) runs: u32,
    pub(crate) seconds: u64,
    pub(crate) connections: u32,
    /// True for figures of a debug build, which say nothing.
    pub(crate) debug: bool,
    pub(crate) rows: Vec<Row>,
}

/// One row.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// Medians over the rounds, for rows that are loads.
    pub(crate) requests_per_second: Option<f64>,
    pub(crate) p50_us: Option<f64>,
    pub(crate) p99_us: Option<f64>,
    /// Processor time of the server for one request.
    pub(crate) cpu_us: Option<f64>,
    /// The row that this one is measured against.
    pub(crate) yardstick: Option<String>,
    /// This row's requests per second by the yardstick's.
    pub(crate) ratio: Option<f64>,
    /// The figure of rows that are no loads, with its unit.
    pub(crate) value: Option<f64>,
    pub(crate) unit: Option<&'static str>,
    /// What is aimed at: at least for a ratio, at most for a value.
    pub(crate) aim: Option<f64>,
    pub(crate) met: Option<bool>,
}

impl Row {
    pub(crate) fn throughput(
        name: &str,
        measured: &Measured,
        yardstick: Option<(String, f64)>,
        aim: Option<f64>,
    ) -> Self {
        let ratio = yardstick
            .as_ref()
            .map(|(_, rate)| measured.requests_per_second / rate);
        Self {
            name: name.to_owned(),
            requests_per_second: Some(measured.requests_per_second),
            p50_us: Some(measured.p50_us),
            p99_us: Some(measured.p99_us),
            cpu_us: Some(measured.cpu_us),
            yardstick: yardstick.map(|(name, _)| name),
            ratio,
            value: None,
            unit: None,
            aim,
            met: ratio.zip(aim).map(|(ratio, aim)| ratio >= aim),
        }
    }

    pub(crate) fn stage_cost(name: &str, microseconds: f64, aim: Option<f64>) -> Self {
        Self::value(name, microseconds, "µs", aim)
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "bytes of a process, shown in MiB"
    )]
    pub(crate) fn resident(bytes: u64) -> Self {
        let mebibytes = bytes as f64 / (1024.0 * 1024.0);
        Self::value(
            "resident memory, four components",
            mebibytes,
            "MiB",
            Some(120.0),
        )
    }

    fn value(name: &str, value: f64, unit: &'static str, aim: Option<f64>) -> Self {
        Self {
            name: name.to_owned(),
            requests_per_second: None,
            p50_us: None,
            p99_us: None,
            cpu_us: None,
            yardstick: None,
            ratio: None,
            value: Some(value),
            unit: Some(unit),
            aim,
            met: aim.map(|aim| value <= aim),
        }
    }

    fn cells(&self) -> [String; 7] {
        let number = |value: Option<f64>, decimals: usize| {
            value
                .map(|value| format!("{value:.decimals$}"))
                .unwrap_or_default()
        };
        let figure = match (self.value, self.unit) {
            (Some(value), Some(unit)) => format!("{value:.1} {unit}"),
            _ => self
                .ratio
                .map(|ratio| format!("{ratio:.2} x"))
                .unwrap_or_default(),
        };
        let aim = match (self.aim, self.unit, self.met) {
            (Some(aim), Some(unit), Some(met)) => format!("<= {aim} {unit} {}", word(met)),
            (Some(aim), None, Some(met)) => format!(">= {aim} x {}", word(met)),
            _ => String::new(),
        };
        [
            self.name.clone(),
            number(self.requests_per_second, 0),
            number(self.p50_us, 0),
            number(self.p99_us, 0),
            number(self.cpu_us, 1),
            figure,
            aim,
        ]
    }
}

fn word(met: bool) -> &'static str {
    if met { "met" } else { "MISSED" }
}

impl Report {
    /// Prints the table on standard output.
    pub(crate) fn print(&self) -> anyhow::Result<()> {
        write!(std::io::stdout().lock(), "\n{}\n", self.table()).context("printing the table")
    }

    fn table(&self) -> String {
        let titles = [
            "",
            "requests/s",
            "p50 µs",
            "p99 µs",
            "cpu µs",
            "figure",
            "aim",
        ]
        .map(str::to_owned);
        let lines: Vec<[String; 7]> = std::iter::once(titles)
            .chain(self.rows.iter().map(Row::cells))
            .collect();
        let width = |column: usize| {
            lines
                .iter()
                .map(|cells| cells[column].chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..7).map(width).collect();
        let mut table = String::new();
        for cells in &lines {
            let mut line = String::new();
            for (column, (cell, width)) in cells.iter().zip(&widths).enumerate() {
                let gap = " ".repeat(width - cell.chars().count());
                let padded = if (1..=5).contains(&column) {
                    format!("{gap}{cell}")
                } else {
                    format!("{cell}{gap}")
                };
                line.push_str(&padded);
                line.push_str("  ");
            }
            table.push_str(line.trim_end());
            table.push('\n');
        }
        let debug = if self.debug {
            "; DEBUG BUILD, no figures to keep"
        } else {
            ""
        };
        table.push_str(&format!(
            "\nMedians of {} rounds of {} s, {} connections; {}{debug}.\n",
            self.runs, self.seconds, self.connections, self.placement
        ));
        table
    }

    /// Writes `latest.json`, or `debug.json` for a debug build.
    pub(crate) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("creating {}", folder.display()))?;
        // Figures that say nothing must not stand where others look for some.
        let name = if self.debug {
            "debug.json"
        } else {
            "latest.json"
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

    fn report() -> Report {
        let measured = |rate| Measured {
            requests: 1000.0,
            cpu_us: 12.5,
            requests_per_second: rate,
            p50_us: 400.4,
            p99_us: 900.0,
        };
        Report {
            placement: "somewhere".into(),
            runs: 3,
            seconds: 5,
            connections: 32,
            debug: false,
            rows: vec![
                Row::throughput("nginx", &measured(100.0), None, None),
                Row::throughput(
                    "node",
                    &measured(75.0),
                    Some(("nginx".into(), 100.0)),
                    Some(0.8),
                ),
                Row::stage_cost("stage", 5.25, Some(8.0)),
                Row::resident(64 * 1024 * 1024),
            ],
        }
    }

    #[test]
    fn the_table_says_what_is_met() {
        let expected = "\
       requests/s  p50 µs  p99 µs  cpu µs    figure  aim
nginx         100     400     900    12.5
node           75     400     900    12.5    0.75 x  >= 0.8 x MISSED
stage                                        5.2 µs  <= 8 µs met
resident memory, four components";
        let table = report().table();
        let squeeze = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(squeeze(&table).starts_with(&squeeze(expected)), "{table}");
        assert!(table.contains("64.0 MiB  <= 120 MiB met"), "{table}");
        assert!(table.ends_with("Medians of 3 rounds of 5 s, 32 connections; somewhere.\n"));
    }

    #[test]
    fn the_file_has_rows_with_their_ratio() {
        let folder = tempfile::tempdir().unwrap();
        report().write(&folder.path().join("bench")).unwrap();
        let text = std::fs::read_to_string(folder.path().join("bench/latest.json")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let row = &json["rows"][1];
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
        assert_eq!(row["met"], false);
    }
}
