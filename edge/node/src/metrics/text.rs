//! Metrics as text: Prometheus' exposition format 0.0.4, or OpenMetrics 1.0 for who asks for it.

use std::fmt::{Display, Write as _};

use http::{HeaderMap, header};

/// How metrics are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Prometheus,
    OpenMetrics,
}

impl Format {
    /// What a request's `Accept` asks for; Prometheus' own unless OpenMetrics is named.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let lines = headers.get_all(header::ACCEPT).iter();
        let mut ranges = lines
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(','));
        let asked = ranges.any(|range| {
            let mut parts = range.split(';').map(str::trim);
            let named = parts
                .next()
                .is_some_and(|name| name.eq_ignore_ascii_case("application/openmetrics-text"));
            let never = |part: &str| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000");
            named && !parts.any(never)
        });
        match asked {
            true => Self::OpenMetrics,
            false => Self::Prometheus,
        }
    }

    /// For `Content-Type`.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The text while it is written.
pub(super) struct Text {
    text: String,
    format: Format,
}

impl Text {
    pub(super) fn new(format: Format) -> Self {
        let text = String::with_capacity(16 * 1024);
        Self { text, format }
    }

    /// Begins a family. Its lines must follow before the next family begins.
    pub(super) fn head(&mut self, name: &str, kind: &str, help: &str) {
        // OpenMetrics' counters have the ending in their lines only.
        let name = match (self.format, kind) {
            (Format::OpenMetrics, "counter") => name.strip_suffix("_total").unwrap_or(name),
            _ => name,
        };
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    pub(super) fn line(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.text.push_str(name);
        for (at, (label, value)) in labels.iter().enumerate() {
            self.text.push(if at == 0 { '{' } else { ',' });
            self.text.push_str(label);
            self.text.push_str("=\"");
            for character in value.chars() {
                match character {
                    '\\' => self.text.push_str("\\\\"),
                    '"' => self.text.push_str("\\\""),
                    '\n' => self.text.push_str("\\n"),
                    other => self.text.push(other),
                }
            }
            self.text.push('"');
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }

    /// A family of one line without labels.
    pub(super) fn single(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.head(name, kind, help);
        self.line(name, &[], value);
    }

    pub(super) fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        let mut text = Text::new(Format::Prometheus);
        text.line("a", &[("b", "x\"y\\z\n"), ("c", "")], 1.5);
        assert_eq!(text.finish(), "a{b=\"x\\\"y\\\\z\\n\",c=\"\"} 1.5\n");
    }

    #[test]
    fn openmetrics_is_for_who_names_it() {
        let format = |accept: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            Format::of(&headers)
        };
        let prometheus =
            "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        assert_eq!(format(prometheus), Format::OpenMetrics);
        assert_eq!(
            format("application/openmetrics-text;q=0, text/plain"),
            Format::Prometheus
        );
        assert_eq!(format("*/*"), Format::Prometheus);
        assert_eq!(Format::of(&HeaderMap::new()), Format::Prometheus);
        let mut text = Text::new(Format::OpenMetrics);
        text.single("a_total", "counter", "A.", 1);
        assert_eq!(
            text.finish(),
            "# HELP a A.\n# TYPE a counter\na_total 1\n# EOF\n"
        );
    }
}
