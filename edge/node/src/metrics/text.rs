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

    /// A counter without labels. Its name ends with `_total`.
    pub(super) fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.counters(name, help).line(&[], value);
    }

    /// A gauge without labels.
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.gauges(name, help).line(&[], value);
    }

    /// Counters that labels tell apart. Their name ends with `_total`.
    pub(super) fn counters<'a>(&'a mut self, name: &'a str, help: &str) -> Family<'a> {
        self.family(name, "counter", help)
    }

    /// Gauges that labels tell apart.
    pub(super) fn gauges<'a>(&'a mut self, name: &'a str, help: &str) -> Family<'a> {
        self.family(name, "gauge", help)
    }

    /// Histograms that labels tell apart.
    pub(super) fn histograms<'a>(&'a mut self, name: &'a str, help: &str) -> Family<'a> {
        self.family(name, "histogram", help)
    }

    fn family<'a>(&'a mut self, name: &'a str, kind: &str, help: &str) -> Family<'a> {
        self.head(name, kind, help);
        Family { text: self, name }
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // OpenMetrics' counters have the ending in their lines only.
        let name = match (self.format, kind) {
            (Format::OpenMetrics, "counter") => name.strip_suffix("_total").unwrap_or(name),
            _ => name,
        };
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, name: [&str; 2], labels: &[(&str, &str)], value: impl Display) {
        for part in name {
            self.text.push_str(part);
        }
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

    pub(super) fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }
}

/// The lines of one name, which stand together.
pub(super) struct Family<'a> {
    text: &'a mut Text,
    name: &'a str,
}

impl Family<'_> {
    pub(super) fn line(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.text.line([self.name, ""], labels, value);
    }

    /// A line whose name has an ending, as those of a histogram have.
    pub(super) fn line_of(&mut self, ending: &str, labels: &[(&str, &str)], value: impl Display) {
        self.text.line([self.name, ending], labels, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        let mut text = Text::new(Format::Prometheus);
        text.line(["a", ""], &[("b", "x\"y\\z\n"), ("c", "")], 1.5);
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
        text.counter("a_total", "A.", 1);
        assert_eq!(
            text.finish(),
            "# HELP a A.\n# TYPE a counter\na_total 1\n# EOF\n"
        );
    }
}
