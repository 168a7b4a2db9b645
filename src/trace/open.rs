//! From what was typed to inputs: files, directories, patterns, `-`.
//!
//! Files of a directory come in natural order (`log.2` before `log.10`), which
//! only breaks ties: inputs are merged by time. A pipe or a device is a stream,
//! opened once and never again.

use super::error::TraceError;
use bytes::{Buf, Bytes};
use std::cmp::Ordering;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// One input of a trace.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    /// What it is called in messages: the path as it was given.
    pub(crate) name: String,
    pub(crate) origin: Origin,
}

/// Where an input's bytes come from.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    /// A regular file.
    File(PathBuf),
    /// A pipe, a socket, a device.
    Stream(PathBuf),
    /// Standard input.
    Stdin,
    /// Bytes that are there already.
    Memory(Bytes),
}

impl Spec {
    /// The input's bytes, from the first.
    pub(crate) fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(match &self.origin {
            Origin::File(path) | Origin::Stream(path) => Box::new(File::open(path)?),
            Origin::Stdin => Box::new(io::stdin()),
            Origin::Memory(bytes) => Box::new(bytes.clone().reader()),
        })
    }

    /// Whether it can be opened again and then holds the same bytes.
    pub(crate) fn is_repeatable(&self) -> bool {
        match self.origin {
            Origin::File(_) | Origin::Memory(_) => true,
            Origin::Stream(_) | Origin::Stdin => false,
        }
    }

    fn at(path: &Path) -> io::Result<Self> {
        let name = path.display().to_string();
        let origin = if fs::metadata(path)?.is_file() {
            Origin::File(path.to_owned())
        } else {
            Origin::Stream(path.to_owned())
        };
        Ok(Self { name, origin })
    }
}

/// The inputs that `names` stand for.
pub(crate) fn expand(names: &[String]) -> Result<Vec<Spec>, TraceError> {
    let mut specs = Vec::new();
    for name in names {
        if name == "-" {
            if specs.iter().any(|spec: &Spec| matches!(spec.origin, Origin::Stdin)) {
                return Err(TraceError::StdinTwice);
            }
            specs.push(Spec { name: "standard input".to_owned(), origin: Origin::Stdin });
            continue;
        }
        let cannot_open = |source| TraceError::Open { name: name.clone(), source };
        let path = Path::new(name);
        if path.is_dir() {
            let paths = files_in(path).map_err(cannot_open)?;
            add(&mut specs, name, paths)?;
        } else if !path.exists() && name.contains(['*', '?', '[']) {
            let paths = matching(name)?;
            add(&mut specs, name, paths)?;
        } else {
            specs.push(Spec::at(path).map_err(cannot_open)?);
        }
    }
    if specs.is_empty() { Err(TraceError::NoInput) } else { Ok(specs) }
}

fn add(specs: &mut Vec<Spec>, name: &str, mut paths: Vec<PathBuf>) -> Result<(), TraceError> {
    if paths.is_empty() {
        return Err(TraceError::NothingThere { name: name.to_owned() });
    }
    paths.sort_by(|a, b| natural(a.as_os_str().as_encoded_bytes(), b.as_os_str().as_encoded_bytes()));
    for path in paths {
        let spec = Spec::at(&path);
        specs.push(spec.map_err(|source| TraceError::Open { name: path.display().to_string(), source })?);
    }
    Ok(())
}

fn files_in(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if !is_hidden(&path) && fs::metadata(&path)?.is_file() {
            paths.push(path);
        }
    }
    Ok(paths)
}

fn matching(pattern: &str) -> Result<Vec<PathBuf>, TraceError> {
    let found = glob::glob(pattern)
        .map_err(|source| TraceError::BadPattern { pattern: pattern.to_owned(), source })?;
    let mut paths = Vec::new();
    for path in found {
        let path = path.map_err(|error| TraceError::Open {
            name: error.path().display().to_string(),
            source: error.into(),
        })?;
        if !is_hidden(&path) && path.is_file() {
            paths.push(path);
        }
    }
    Ok(paths)
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// Compares runs of digits by their value and all else byte by byte.
fn natural(mut a: &[u8], mut b: &[u8]) -> Ordering {
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
        names.sort_by(|a, b| natural(a.as_bytes(), b.as_bytes()));
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
            let specs = expand(&[name])?;
            let name = |spec: &Spec| spec.name.rsplit('/').next().unwrap().to_owned();
            Ok::<_, TraceError>(specs.iter().map(name).collect::<Vec<_>>())
        };
        let path = directory.path().display();
        assert_eq!(of(path.to_string()).unwrap(), ["a", "b.9", "b.10"]);
        assert_eq!(of(format!("{path}/b*")).unwrap(), ["b.9", "b.10"]);
        assert!(matches!(of(format!("{path}/c*")), Err(TraceError::NothingThere { .. })));
        assert!(matches!(of(format!("{path}/sub")), Err(TraceError::NothingThere { .. })));
        assert!(matches!(of(format!("{path}/c")), Err(TraceError::Open { .. })));
        assert!(matches!(of(format!("{path}/[")), Err(TraceError::BadPattern { .. })));
        assert!(matches!(expand(&[]), Err(TraceError::NoInput)));
        assert!(matches!(expand(&["-".into(), "-".into()]), Err(TraceError::StdinTwice)));
    }
}
