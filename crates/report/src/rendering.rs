//! The forms that a run can be given out in, by the names that flags use.
//!
//! Those that need nothing but `run.json` are rendered here, purely; the others
//! need the run directory and are rendered by [`super::SavedRun`], so that a run
//! that is over and its directory give the same bytes.

use super::threshold::TimeMetric;
use super::{RunReport, exposition, junit, k6_summary, markdown, summary};
use crate::prometheus::Dialect;

/// A form of a run's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rendering {
    /// The summary for a terminal.
    Text,
    /// The page.
    Html,
    /// `run.json` itself.
    Json,
    /// A short summary for a pull request or a job's page.
    Markdown,
    /// Test cases, as XML of `JUnit`.
    Junit,
    /// The end-of-test summary of k6.
    K6,
    /// The text that Prometheus scrapes.
    Prometheus,
    /// The seconds of the run as a table.
    Csv,
    /// A clock by percentile, as `HdrHistogram`'s tools write it.
    Hgrm(TimeMetric),
}

impl Rendering {
    /// All of them, in the order in which help lists them.
    pub const ALL: [Self; 12] = [
        Self::Text,
        Self::Html,
        Self::Json,
        Self::Markdown,
        Self::Junit,
        Self::K6,
        Self::Prometheus,
        Self::Csv,
        Self::Hgrm(TimeMetric::Latency),
        Self::Hgrm(TimeMetric::LatencyFailed),
        Self::Hgrm(TimeMetric::Service),
        Self::Hgrm(TimeMetric::Lateness),
    ];

    /// What it is called on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Html => "html",
            Self::Json => "json",
            Self::Markdown => "markdown",
            Self::Junit => "junit",
            Self::K6 => "k6",
            Self::Prometheus => "prometheus",
            Self::Csv => "csv",
            Self::Hgrm(TimeMetric::Latency) => "hgrm",
            Self::Hgrm(TimeMetric::LatencyFailed) => "hgrm-failed",
            Self::Hgrm(TimeMetric::Service) => "hgrm-service",
            Self::Hgrm(TimeMetric::Lateness) => "hgrm-lateness",
        }
    }

    /// The one of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rendering| rendering.name() == name)
    }

    /// The one that the ending of a file's name asks for, without its dot.
    pub fn from_ending(ending: &str) -> Option<Self> {
        match ending.to_ascii_lowercase().as_str() {
            "txt" => Some(Self::Text),
            "html" | "htm" => Some(Self::Html),
            "json" => Some(Self::Json),
            "md" => Some(Self::Markdown),
            "xml" => Some(Self::Junit),
            "prom" => Some(Self::Prometheus),
            "csv" => Some(Self::Csv),
            "hgrm" => Some(Self::Hgrm(TimeMetric::Latency)),
            _ => None,
        }
    }

    /// Whether it shows seconds or histograms, which only a run directory has.
    pub const fn needs_directory(self) -> bool {
        matches!(self, Self::Html | Self::Csv | Self::Hgrm(_))
    }

    /// Renders what needs nothing but the result; nothing for the others.
    #[expect(clippy::missing_panics_doc, reason = "a report has text keys and finite numbers")]
    pub fn of(self, report: &RunReport) -> Option<String> {
        match self {
            Self::Text => Some(summary(report)),
            Self::Json => {
                let text = serde_json::to_string_pretty(report);
                Some(text.expect("a report has text keys and finite numbers") + "\n")
            }
            Self::Markdown => Some(markdown(report)),
            Self::Junit => Some(junit(report)),
            Self::K6 => Some(k6_summary(report)),
            Self::Prometheus => Some(exposition(report, None, Dialect::Prometheus)),
            Self::Html | Self::Csv | Self::Hgrm(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rendering_has_a_name_of_its_own() {
        for rendering in Rendering::ALL {
            assert_eq!(Rendering::from_name(rendering.name()), Some(rendering));
            assert_eq!(rendering.of(&RunReport::default()).is_none(), rendering.needs_directory());
        }
        assert_eq!(Rendering::from_name("pdf"), None);
    }

    #[test]
    fn the_ending_of_a_file_tells_its_form() {
        assert_eq!(Rendering::from_ending("HTM"), Some(Rendering::Html));
        assert_eq!(Rendering::from_ending("md"), Some(Rendering::Markdown));
        assert_eq!(Rendering::from_ending("pdf"), None);
    }
}
