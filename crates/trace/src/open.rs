//! From what was typed to inputs: files, directories, patterns, `-`.
//!
//! Files of a directory come in natural order (`log.2` before `log.10`), which
//! only breaks ties: inputs are merged by time. A pipe or a device is a stream,
//! opened once and never again.

use super::error::TraceError;
use super::live::{CaughtUpFlag, PolledStream};
use bytes::{Buf, Bytes};
use std::cmp::Ordering;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

/// One input of a trace.
#[derive(Clone, Debug)]
pub(crate) struct InputSpec {
    /// What it is called in messages: the path as it was given.
    pub(crate) name: String,
    pub(crate) origin: InputOrigin,
    /// Whether it was named itself, and is not one of a directory's or
    /// pattern's: an input that was asked for by name is never left out.
    pub(crate) is_named: bool,
}

/// The inputs that were found, and what cannot even be looked at.
#[derive(Debug, Default)]
pub(crate) struct ExpandedInputs {
    pub(crate) specs: Vec<InputSpec>,
    /// Names and reasons: links that lead nowhere or round in circles.
    pub(crate) broken: Vec<(String, io::Error)>,
}

/// Where an input's bytes come from.
#[derive(Clone, Debug)]
pub(crate) enum InputOrigin {
    /// A regular file.
    File(PathBuf),
    /// A pipe, a socket, a device.
    Stream(PathBuf),
    /// Standard input.
    Stdin,
    /// Bytes that are there already.
    Memory(Bytes),
}

impl InputSpec {
    /// The input's bytes, from the first. Reading a stream that is quiet says
    /// `WouldBlock` after a moment.
    pub(crate) fn open(&self, caught_up: &CaughtUpFlag) -> io::Result<Box<dyn Read + Send>> {
        Ok(match &self.origin {
            InputOrigin::File(path) => Box::new(File::open(path)?),
            InputOrigin::Stream(path) => Box::new(PolledStream::new(File::open(path)?, caught_up.clone())),
            // Not through the buffer of the standard library, which hides what is there.
            InputOrigin::Stdin => {
                let file = File::from(io::stdin().as_fd().try_clone_to_owned()?);
                Box::new(PolledStream::new(file, caught_up.clone()))
            }
            InputOrigin::Memory(bytes) => Box::new(bytes.clone().reader()),
        })
    }

    /// Whether it can be opened again and then holds the same bytes.
    pub(crate) fn is_repeatable(&self) -> bool {
        match self.origin {
            InputOrigin::File(_) | InputOrigin::Memory(_) => true,
            InputOrigin::Stream(_) | InputOrigin::Stdin => false,
        }
    }

    fn at(path: &Path) -> io::Result<Self> {
        let name = path.display().to_string();
        let origin = if fs::metadata(path)?.is_file() {
            InputOrigin::File(path.to_owned())
        } else {
            InputOrigin::Stream(path.to_owned())
        };
        Ok(Self { name, origin, is_named: true })
    }
}

/// The inputs that `names` stand for.
pub(crate) fn expand(names: &[String]) -> Result<ExpandedInputs, TraceError> {
    let mut found = ExpandedInputs::default();
    for name in names {
        if name == "-" {
            if found.specs.iter().any(|spec: &InputSpec| matches!(spec.origin, InputOrigin::Stdin)) {
                return Err(TraceError::StdinTwice);
            }
            let origin = InputOrigin::Stdin;
            found.specs.push(InputSpec { name: "standard input".to_owned(), origin, is_named: true });
            continue;
        }
        let cannot_open = |source| TraceError::Open { name: name.clone(), source };
        let path = Path::new(name);
        if path.is_dir() {
            let paths = entries_of(path).map_err(cannot_open)?;
            found.add(name, paths)?;
        } else if !path.exists() && name.contains(['*', '?', '[']) {
            found.add(name, matching(name)?)?;
        } else {
            found.specs.push(InputSpec::at(path).map_err(cannot_open)?);
        }
    }
    if found.specs.is_empty() { Err(TraceError::NoInput) } else { Ok(found) }
}

/// The files among the inputs that `names` stand for; none where they stand
/// for nothing.
pub fn files_of(names: &[String]) -> Vec<PathBuf> {
    let specs = expand(names).unwrap_or_default().specs;
    let path = |origin| match origin {
        InputOrigin::File(path) | InputOrigin::Stream(path) => Some(path),
        // It may be a file all the same.
        InputOrigin::Stdin => Some(PathBuf::from("/dev/stdin")),
        InputOrigin::Memory(_) => None,
    };
    specs.into_iter().filter_map(|spec| path(spec.origin)).collect()
}

impl ExpandedInputs {
    /// Adds the regular files among `paths`.
    fn add(&mut self, name: &str, mut paths: Vec<PathBuf>) -> Result<(), TraceError> {
        paths.retain(|path| !is_hidden(path));
        paths.sort_by(|a, b| {
            natural_order(a.as_os_str().as_encoded_bytes(), b.as_os_str().as_encoded_bytes())
        });
        let before = self.specs.len();
        for path in paths {
            let name = path.display().to_string();
            match fs::metadata(&path) {
                Ok(kind) if kind.is_file() => {
                    self.specs.push(InputSpec { name, origin: InputOrigin::File(path), is_named: false });
                }
                Ok(_) => {}
                Err(error) => self.broken.push((name, error)),
            }
        }
        if self.specs.len() == before {
            return Err(TraceError::NoFiles { name: name.to_owned() });
        }
        Ok(())
    }
}

fn entries_of(directory: &Path) -> io::Result<Vec<PathBuf>> {
    fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect()
}

fn matching(pattern: &str) -> Result<Vec<PathBuf>, TraceError> {
    let found = glob::glob(pattern)
        .map_err(|source| TraceError::BadPattern { pattern: pattern.to_owned(), source })?;
    let path = |found: glob::GlobResult| {
        found.map_err(|error| TraceError::Open {
            name: error.path().display().to_string(),
            source: error.into(),
        })
    };
    found.map(path).collect()
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// Compares runs of digits by their value and all else byte by byte.
fn natural_order(mut a: &[u8], mut b: &[u8]) -> Ordering {
    while let (Some(x), Some(y)) = (a.first(), b.first()) {
        if x.is_ascii_digit() && y.is_ascii_digit() {
            let (number_a, rest_a) = digits(a);
            let (number_b, rest_b) = digits(b);
            let by_value = number_a.len().cmp(&number_b.len()).then_with(|| number_a.cmp(number_b));
            if by_value != Ordering::Equal {
                return by_value;
            }
            (a, b) = (rest_a, rest_b);
        } else if x == y {
            (a, b) = (&a[1..], &b[1..]);
        } else {
            return x.cmp(y);
        }
    }
    a.len().cmp(&b.len())
}

/// A run of digits without its leading zeros, and what follows it.
fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let zeros = digits.iter().take_while(|b| **b == b'0').count();
    (&digits[zeros..], rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_are_numbers() {
        let mut names = ["log.10.gz", "log.2.gz", "log", "log.010a", "log.1"];
        names.sort_by(|a, b| natural_order(a.as_bytes(), b.as_bytes()));
        assert_eq!(names, ["log", "log.1", "log.2.gz", "log.10.gz", "log.010a"]);
    }

    #[test]
    fn directories_and_patterns_leave_hidden_files_out() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["b.10", "b.9", ".hidden", "a"] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        fs::create_dir(directory.path().join("sub")).unwrap();
        let of = |name: String| {
            let specs = expand(&[name])?.specs;
            let name = |spec: &InputSpec| spec.name.rsplit('/').next().unwrap().to_owned();
            Ok::<_, TraceError>(specs.iter().map(name).collect::<Vec<_>>())
        };
        let path = directory.path().display();
        assert_eq!(of(path.to_string()).unwrap(), ["a", "b.9", "b.10"]);
        assert_eq!(of(format!("{path}/b*")).unwrap(), ["b.9", "b.10"]);
        assert!(matches!(of(format!("{path}/c*")), Err(TraceError::NoFiles { .. })));
        assert!(matches!(of(format!("{path}/sub")), Err(TraceError::NoFiles { .. })));
        assert!(matches!(of(format!("{path}/c")), Err(TraceError::Open { .. })));
        assert!(matches!(of(format!("{path}/[")), Err(TraceError::BadPattern { .. })));
        std::os::unix::fs::symlink("nowhere", directory.path().join("dangling")).unwrap();
        std::os::unix::fs::symlink("loop", directory.path().join("loop")).unwrap();
        std::os::unix::fs::symlink("a", directory.path().join("link")).unwrap();
        assert_eq!(of(path.to_string()).unwrap(), ["a", "b.9", "b.10", "link"]);
        let broken = expand(&[path.to_string()]).unwrap().broken;
        let broken: Vec<_> = broken.iter().map(|(name, _)| name.rsplit('/').next().unwrap()).collect();
        assert_eq!(broken, ["dangling", "loop"]);
        assert!(matches!(of(format!("{path}/dangling")), Err(TraceError::Open { .. })));
        assert!(matches!(expand(&[]), Err(TraceError::NoInput)));
        assert!(matches!(expand(&["-".into(), "-".into()]), Err(TraceError::StdinTwice)));
    }
}
