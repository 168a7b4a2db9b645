//! The flags of every subcommand that reads a trace, and what they mean.
//!
//! What was typed and what it means are two types: [`TraceArgs`] holds the
//! text, [`TraceArgs::options`] makes [`ReadOptions`] of it and reads the file
//! of rewrites.

use super::overwrite::Named;
use downpour_core::suggest::did_you_mean;
use downpour_core::toml_file::TomlError;
use downpour_core::units::parse_duration;
use downpour_trace::client::AgentParsing;
use downpour_trace::formats::Format;
use downpour_trace::rewrite::Rewrites;
use downpour_trace::scrub::Scrub;
use downpour_trace::source::RequestOrder;
use downpour_trace::subsecond::Subsecond;
use downpour_trace::{ReadOptions, Source, TraceError, files_of};
use std::fs;
use std::io;
use std::time::Duration;

/// Which trace is read, and how.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct TraceArgs {
    /// Logs or URL lists: files, directories, patterns, or - for standard input
    #[arg(value_name = "TRACE", required = true)]
    pub(crate) traces: Vec<String>,

    /// Set the format of the inputs
    ///
    /// auto detects the format of each input. The formats are cloudfront-v1,
    /// fastly-cratesio, fastly-clf, common, combined, combined-timed,
    /// combined-usec, trace and url-list.
    #[arg(long, value_name = "FORMAT", default_value = "auto", value_parser = parse_format, help_heading = "Input", hide_short_help = true)]
    pub(crate) input_format: InputFormat,

    /// Rewrite recorded paths by this set or file
    ///
    /// The built-in set is crates-io. Anything else is the name of a TOML file.
    #[arg(long, value_name = "SET", help_heading = "Input")]
    pub(crate) rewrite: Option<String>,

    /// Choose how to spread requests within a second if the log has 1 s timestamps:
    /// poisson, even or burst
    ///
    /// poisson draws random gaps from --seed. burst plays all requests at the start
    /// of the second.
    #[arg(long, value_name = "MODE", default_value = "poisson", value_parser = parse_subsecond, help_heading = "Input", hide_short_help = true)]
    pub(crate) subsecond: Subsecond,

    /// Sort records that are out of order by up to this time [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = "Input", hide_short_help = true)]
    pub(crate) reorder_window: Option<Duration>,

    /// Set the random seed
    ///
    /// The same seed, flags and trace give the same requests.
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Input", hide_short_help = true)]
    pub(crate) seed: u64,

    /// Keep the values of these query parameters: names separated by commas, or all
    ///
    /// Other values are replaced by filler of the same length.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', help_heading = "Input", hide_short_help = true)]
    pub(crate) keep_query: Vec<String>,
}

/// A format, or whatever fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InputFormat {
    /// Found out for each input.
    Auto,
    /// The same for all of them.
    Is(Format),
}

/// Why the flags can't be followed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TraceArgsError {
    /// The file of rewrites can't be read.
    #[error(
        "read --rewrite {name}{}; built-in sets are {}",
        did_you_mean(name, Rewrites::BUILT_IN.iter().copied()),
        Rewrites::BUILT_IN.join(", ")
    )]
    Unreadable {
        /// The file.
        name: String,
        /// What the system says.
        source: io::Error,
    },
    /// The file of rewrites is wrong.
    #[error(transparent)]
    Rewrite(#[from] TomlError),
    /// An address stands where a file is expected.
    #[error("read a URL as a trace: a trace is a file, a directory or -; --target URL names the candidate")]
    IsUrl,
    /// The trace can't be read.
    #[error(transparent)]
    Trace(#[from] TraceError),
}

impl TraceArgsError {
    /// Whether the flags are wrong, and not the trace.
    pub(super) const fn is_configuration(&self) -> bool {
        matches!(self, Self::Unreadable { .. } | Self::IsUrl) || self.is_mistake_in_a_file()
    }

    /// Whether the message begins with a place in a file.
    pub(super) const fn is_mistake_in_a_file(&self) -> bool {
        matches!(self, Self::Rewrite(_) | Self::Trace(TraceError::Rewrite(_)))
    }
}

impl TraceArgs {
    /// How the trace is to be read.
    pub(crate) fn options(&self) -> Result<ReadOptions, TraceArgsError> {
        let format = match self.input_format {
            InputFormat::Auto => None,
            InputFormat::Is(format) => Some(format),
        };
        let scrub = if self.keep_query.iter().any(|name| name == "all") {
            Scrub::KeepAll
        } else {
            Scrub::KeepNamed(self.keep_query.iter().map(|name| name.as_bytes().to_vec()).collect())
        };
        Ok(ReadOptions {
            format,
            rewrites: self.rewrites()?,
            scrub,
            subsecond: self.subsecond,
            seed: self.seed,
            reorder_window: self.reorder_window,
            agents: AgentParsing::Off,
            order: RequestOrder::ByArrival,
            live: None,
        })
    }

    /// Opens the trace.
    pub(crate) fn open(&self, options: ReadOptions) -> Result<Source, TraceArgsError> {
        open(&self.traces, options)
    }

    /// Opens the trace for somebody who lists the files that are left out.
    pub(crate) fn open_silently(&self, options: ReadOptions) -> Result<Source, TraceArgsError> {
        open_silently(&self.traces, options)
    }

    /// The files that it reads.
    pub(super) fn files_read(&self) -> Vec<Named> {
        let traces = files_of(&self.traces).into_iter().map(|path| Named::by("the trace", path));
        let own_rewrite = self.rewrite.iter().filter(|name| !Rewrites::BUILT_IN.contains(&name.as_str()));
        traces.chain(own_rewrite.map(|rewrite| Named::by("--rewrite", rewrite))).collect()
    }

    fn rewrites(&self) -> Result<Rewrites, TraceArgsError> {
        let Some(name) = &self.rewrite else { return Ok(Rewrites::default()) };
        if let Some(rewrites) = Rewrites::built_in(name) {
            return Ok(rewrites?);
        }
        let text = fs::read_to_string(name)
            .map_err(|source| TraceArgsError::Unreadable { name: name.clone(), source })?;
        Ok(Rewrites::parse(name, &text)?)
    }
}

/// Opens the inputs that `names` stand for, and says on stderr which files of
/// them are left out.
pub(super) fn open(names: &[String], options: ReadOptions) -> Result<Source, TraceArgsError> {
    let source = open_silently(names, options)?;
    for input in source.unreadable() {
        super::print_message(&format!("warning: {input}"));
    }
    Ok(source)
}

fn open_silently(names: &[String], options: ReadOptions) -> Result<Source, TraceArgsError> {
    // It is not repeated: it may hold a password.
    if names.iter().any(|name| is_url(name)) {
        return Err(TraceArgsError::IsUrl);
    }
    Ok(Source::open(names, options)?)
}

fn is_url(name: &str) -> bool {
    let scheme = name.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    scheme.is_some_and(|scheme| scheme == "http" || scheme == "https")
}

pub(super) fn parse_format(text: &str) -> Result<InputFormat, String> {
    if text == "auto" {
        return Ok(InputFormat::Auto);
    }
    text.parse()
        .map(InputFormat::Is)
        .map_err(|error: downpour_trace::formats::UnknownFormat| error.to_string())
}

fn parse_subsecond(text: &str) -> Result<Subsecond, String> {
    let known = Subsecond::ALL.iter().find(|(name, _)| *name == text);
    known.map(|(_, mode)| *mode).ok_or_else(|| "use poisson, even or burst".to_owned())
}
