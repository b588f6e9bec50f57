//! The hit ratio of the memory tier beside that of an LRU of the same bytes, on requests after Zipf's
//! law. The store's example `zipf` counts; here its table is read.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;

use super::report::Row;
use crate::process;

/// The beginning of the rows' names.
pub(crate) const NAME: &str = "hit ratio, Zipf";

/// Millions of requests with a debug build.
const LIMIT: Duration = Duration::from_secs(600);

/// Runs the example. Each line of its table is two rows, LRU's and ours.
pub(crate) fn rows(program: &Path) -> anyhow::Result<Vec<Row>> {
    let text = process::run_bounded(&mut Command::new(program), LIMIT)?;
    let lines = parse(&text).with_context(|| format!("{} printed:\n{text}", program.display()))?;
    Ok(lines
        .iter()
        .flat_map(|line| {
            let name = format!("{NAME} {}, cache of {}", line.alpha, line.size);
            let lru = Row::reference(&format!("LRU {name}"), line.lru, "%");
            let ours = Row::above(&name, line.ours, &lru);
            [lru, ours]
        })
        .collect())
}

/// What one line says.
#[derive(Debug, PartialEq)]
struct Line {
    /// Zipf's exponent.
    alpha: String,
    /// The cache's size by that of all objects.
    size: String,
    /// Requests that were hits, in percent.
    ours: f64,
    lru: f64,
}

/// The lines below the table's head: exponent, size, ours of requests and bytes, LRU's.
fn parse(text: &str) -> anyhow::Result<Vec<Line>> {
    let lines: Option<Vec<Line>> = text
        .lines()
        .filter(|line| line.starts_with("| Zipf"))
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let [alpha, size, ours, _, lru, _] = cells.as_slice() else {
                return None;
            };
            let percent = |cell: &str| cell.strip_suffix('%')?.trim().parse().ok();
            Some(Line {
                alpha: alpha.strip_prefix("Zipf ")?.to_owned(),
                size: (*size).to_owned(),
                ours: percent(ours)?,
                lru: percent(lru)?,
            })
        })
        .collect();
    let lines = lines.context("a line of another shape")?;
    anyhow::ensure!(!lines.is_empty(), "no line of figures");
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "\
| objects asked for by | cache | S3-FIFO: requests | bytes | LRU: requests | bytes |
|---|---|---|---|---|---|
| Zipf 0.8 | 5 % | 45.5 % | 44.0 % | 38.1 % | 36.9 % |
";

    #[test]
    fn the_table_is_read() {
        let expected = Line {
            alpha: "0.8".into(),
            size: "5 %".into(),
            ours: 45.5,
            lru: 38.1,
        };
        assert_eq!(parse(PRINTED).unwrap(), [expected]);
    }

    #[test]
    fn another_table_is_an_error() {
        assert!(parse("").is_err());
        assert!(parse(&PRINTED.replace("45.5 %", "many")).is_err());
        assert!(parse(&PRINTED.replace(" | 36.9 %", "")).is_err());
    }
}
