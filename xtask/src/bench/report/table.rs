//! The table of all rows.

use super::row::Row;

const TITLES: [&str; 10] = [
    "",
    "requests/s",
    "MiB/s",
    "p50 µs",
    "p99 µs",
    "cpu µs",
    "figure",
    "p99, cpu x",
    "varnish x",
    "aim",
];

/// Lines of columns, numbers to the right.
pub(super) fn lay_out(rows: &[Row]) -> String {
    let lines: Vec<[String; TITLES.len()]> = std::iter::once(TITLES.map(str::to_owned))
        .chain(rows.iter().map(cells))
        .collect();
    let width = |column: usize| {
        lines
            .iter()
            .map(|cells| cells[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..TITLES.len()).map(width).collect();
    let mut table = String::new();
    for cells in &lines {
        let mut line = String::new();
        for (column, (cell, width)) in cells.iter().zip(&widths).enumerate() {
            let gap = " ".repeat(width - cell.chars().count());
            let is_text = column == 0 || column == TITLES.len() - 1;
            line.push_str(&if is_text {
                format!("{cell}{gap}")
            } else {
                format!("{gap}{cell}")
            });
            line.push_str("  ");
        }
        table.push_str(line.trim_end());
        table.push('\n');
    }
    table
}

fn cells(row: &Row) -> [String; TITLES.len()] {
    let number = |value: Option<f64>, decimals: usize| {
        value
            .map(|value| format!("{value:.decimals$}"))
            .unwrap_or_default()
    };
    let value = row
        .value
        .zip(row.unit)
        .map(|(value, unit)| format!("{value:.1} {unit}"));
    let ratio = row.ratio.map(|ratio| format!("{ratio:.2} x"));
    let figure: Vec<String> = value.into_iter().chain(ratio).collect();
    let latency_and_cpu: Vec<String> = [row.p99_ratio, row.cpu_ratio]
        .into_iter()
        .flatten()
        .map(|ratio| format!("{ratio:.2}"))
        .collect();
    let goals: Vec<String> = row.goals.iter().map(ToString::to_string).collect();
    [
        row.name.clone(),
        number(row.requests_per_second, 0),
        number(row.mebibytes_per_second, 0),
        number(row.p50_us, 0),
        number(row.p99_us, 0),
        number(row.cpu_us, 1),
        figure.join(", "),
        latency_and_cpu.join(", "),
        number(row.varnish_ratio, 2),
        goals.join(", "),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_what_is_met() {
        let expected = "\
          requests/s MiB/s p50 µs p99 µs cpu µs figure p99, cpu x varnish x aim
nginx            100 1000     400    900   12.5
varnish           50  500     400    900   20.0
node              75  750     400    900   15.0 0.75 x 1.00, 1.20      1.50 >= 0.8 x MISSED, p99 <= 1 x met
stage                                           5.2 µs                      <= 8 µs met
resident                                      64.0 MiB                      <= 120 MiB met
idle                                          1000.0 B, 2.00 x              <= 1.5 x MISSED";
        let table = lay_out(&super::super::row::tests::rows());
        let squeeze = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(squeeze(&table), squeeze(expected), "{table}");
    }

    #[test]
    fn columns_line_up() {
        let table = lay_out(&super::super::row::tests::rows());
        let titles = table.lines().next().unwrap();
        let at = titles.chars().count() - "aim".chars().count();
        for line in table.lines().filter(|line| line.contains("met")) {
            let aim: String = line.chars().skip(at).collect();
            assert!(aim.starts_with(['<', '>']), "{table}");
        }
    }
}
