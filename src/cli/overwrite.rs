//! Refuses outputs that the same command reads, and outputs that are named twice.
//!
//! A command empties an output file before the run. If the file were an input,
//! its content would be lost before the command reads it. Device and inode
//! identify a file, so links cannot hide it; a resolved path identifies a file
//! that does not exist yet.

use super::CliError;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{self, Path, PathBuf};

/// A file and what names it, as the operator typed it: `--rules mine.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) flag: String,
    pub(super) path: PathBuf,
}

impl Named {
    /// The file that `flag` names.
    pub(super) fn by(flag: &str, path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self { flag: format!("{flag} {}", path.display()), path }
    }

    /// A file of the directory that is named.
    pub(super) fn inside(&self, name: &str) -> Self {
        Self { flag: format!("{name} in {}", self.flag), path: self.path.join(name) }
    }
}

/// What a command reads, and what it will write.
#[derive(Clone, Debug, Default)]
pub(super) struct FilesOfCommand {
    /// Files, and directories with all that is in them.
    pub(super) read: Vec<Named>,
    /// Files, which need not exist.
    pub(super) written: Vec<Named>,
    /// Files that are gone on with, and not emptied.
    pub(super) appended: Vec<Named>,
}

impl FilesOfCommand {
    /// Refuses a file that is read and written, or written twice. Opens nothing.
    pub(super) fn check(&self) -> Result<(), CliError> {
        let read: Vec<_> = self.read.iter().map(|read| (read, FileIdentity::of(&read.path))).collect();
        let mut written: Vec<(&Named, FileIdentity)> = Vec::new();
        let all = self.written.iter().map(|named| (named, "empty"));
        for (named, harm) in all.chain(self.appended.iter().map(|named| (named, "change"))) {
            let identity = FileIdentity::of(&named.path);
            if let Some((other, _)) = read.iter().find(|(_, read)| read.holds(&identity)) {
                return Err(CliError::Usage(format!(
                    "{}: the command reads this file ({}) and would {harm} it: name another file",
                    named.flag, other.flag
                )));
            }
            if let Some((other, _)) = written.iter().find(|(_, other)| other.is_same(&identity)) {
                return Err(CliError::Usage(format!(
                    "{}: this file is named twice: {} is the same file",
                    named.flag, other.flag
                )));
            }
            written.push((named, identity));
        }
        Ok(())
    }
}

/// By what a file is known.
#[derive(Debug)]
struct FileIdentity {
    /// The absolute path, its directory without links.
    path: PathBuf,
    /// What is there.
    kind: Kind,
}

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    File {
        device: u64,
        inode: u64,
    },
    Directory,
    /// A device or a pipe, of which nothing is lost.
    Stream,
    Nothing,
}

impl Kind {
    fn of(found: &Metadata) -> Self {
        match found.file_type() {
            kind if kind.is_file() => Self::File { device: found.dev(), inode: found.ino() },
            kind if kind.is_dir() => Self::Directory,
            _ => Self::Stream,
        }
    }
}

impl FileIdentity {
    fn of(named: &Path) -> Self {
        let kind = fs::metadata(named).map_or(Kind::Nothing, |found| Kind::of(&found));
        Self { path: resolved(named), kind }
    }

    /// Whether the files are one.
    fn is_same(&self, other: &Self) -> bool {
        match (self.kind, other.kind) {
            (Kind::File { .. }, Kind::File { .. }) => self.kind == other.kind,
            _ => self.path == other.path,
        }
    }

    /// Whether writing `other` would change this, which is read.
    fn holds(&self, other: &Self) -> bool {
        match (self.kind, other.kind) {
            (Kind::File { .. }, Kind::File { .. }) => self.kind == other.kind,
            (Kind::Directory, Kind::File { .. }) => other.path.starts_with(&self.path),
            _ => false,
        }
    }
}

/// The path without links, as far as it exists.
fn resolved(named: &Path) -> PathBuf {
    if let Ok(whole) = fs::canonicalize(named) {
        return whole;
    }
    let absolute = path::absolute(named).unwrap_or_else(|_| named.to_owned());
    match (absolute.parent().map(fs::canonicalize), absolute.file_name()) {
        (Some(Ok(parent)), Some(name)) => parent.join(name),
        _ => absolute,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[track_caller]
    fn check(read: &[&Path], written: &[&Path], refused: Option<&str>) {
        let named = |paths: &[&Path]| paths.iter().map(|&path| Named::by("--x", path)).collect();
        let files = FilesOfCommand { read: named(read), written: named(written), appended: Vec::new() };
        let told = files.check().err().map(|error| error.to_string());
        match (told, refused) {
            (None, None) => {}
            (Some(told), Some(part)) => assert!(told.contains(part), "{told}"),
            (told, _) => panic!("{read:?} and {written:?}: {told:?}"),
        }
    }

    #[test]
    fn a_file_that_is_read_is_never_written_whatever_it_is_called() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("log"), "x").unwrap();
        fs::create_dir(at("sub")).unwrap();
        fs::write(at("sub/other"), "x").unwrap();
        fs::hard_link(at("log"), at("hard")).unwrap();
        symlink("log", at("soft")).unwrap();
        symlink("sub", at("linked")).unwrap();
        for name in ["log", "hard", "soft", "sub/../log"] {
            check(&[&at("log")], &[&at(name)], Some("and would empty it"));
        }
        check(&[&at("linked")], &[&at("sub/other")], Some("--x "));
        check(&[&at("sub")], &[&at("sub/new")], None);
        check(&[&at("log"), Path::new("/dev/null")], &[Path::new("/dev/null"), &at("new")], None);
        check(&[&at("nowhere")], &[&at("nowhere")], None);
    }

    #[test]
    fn no_file_is_written_twice() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("sub")).unwrap();
        symlink("sub", at("linked")).unwrap();
        check(&[], &[&at("sub/new"), &at("linked/new")], Some("named twice"));
        check(&[], &[&at("new"), &at("./new")], Some("named twice"));
        fs::write(at("a"), "").unwrap();
        fs::hard_link(at("a"), at("b")).unwrap();
        check(&[], &[&at("a"), &at("b")], Some("named twice"));
        check(&[], &[&at("a"), &at("c")], None);
    }
}
