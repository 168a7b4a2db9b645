//! Reading a catalogue: a file, a directory of them, or a cargo index.
//!
//! The one edge of the catalogue. A cargo index is told by the `config.json` at
//! its root; its files lie below `1`, `2`, `3` and the first two letters of
//! their names. What is read is a list that someone else made: lines are
//! bounded, links to directories are not followed.

use super::format::{CatalogFormat, CatalogRecord};
use super::{Catalog, CatalogBuilder, CatalogEntry};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// The longest line that is read. The longest of the crates.io index is a tenth
/// of it.
const LINE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// A catalogue that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// A file or directory could not be read.
    #[error("read the catalogue {}", path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A line makes no sense.
    #[error("{}:{line}: {what}", path.display())]
    Mistake {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: u64,
        /// What is wrong with which field.
        what: String,
    },
    /// There is nothing in it.
    #[error("the catalogue {} lists no file", .0.display())]
    Empty(PathBuf),
}

impl CatalogError {
    /// Whether it is not the content that is wrong.
    pub const fn is_read(&self) -> bool {
        matches!(self, Self::Read { .. })
    }
}

/// Called with each entry and where it stands.
type CatalogVisitor<'v> = dyn FnMut(&Path, u64, &CatalogRecord<'_>) -> Result<(), CatalogError> + 'v;

impl Catalog {
    /// Reads the file at `path`, or all files of the directory there.
    pub fn read(path: &Path) -> Result<Self, CatalogError> {
        let mut builder = CatalogBuilder::default();
        read_all(path, &mut |_, _, listed| {
            builder.add(listed.name.as_bytes(), listed.version.as_bytes(), listed.entry);
            Ok(())
        })?;
        builder.sort();
        if let Some(key) = builder.contradiction() {
            name_contradiction(path, &builder, key)?;
        }
        let catalog = builder.finish();
        if catalog.is_empty() { Err(CatalogError::Empty(path.to_owned())) } else { Ok(catalog) }
    }
}

/// Reads once more, to say where the two entries stand. Places are not kept for
/// a mistake that hardly any catalogue has.
fn name_contradiction(path: &Path, builder: &CatalogBuilder, key: u64) -> Result<(), CatalogError> {
    let mut first: Option<(PathBuf, u64, CatalogEntry)> = None;
    read_all(path, &mut |file, line, listed| {
        if builder.key(listed.name.as_bytes(), listed.version.as_bytes()) != key {
            return Ok(());
        }
        match &first {
            None => first = Some((file.to_owned(), line, listed.entry)),
            Some((_, _, entry)) if *entry == listed.entry => {}
            Some((earlier, at, _)) => {
                let what = format!(
                    "size or sha256: {:?} {:?} is listed with a different one at {}:{at}",
                    listed.name,
                    listed.version,
                    earlier.display()
                );
                return Err(CatalogError::Mistake { path: file.to_owned(), line, what });
            }
        }
        Ok(())
    })
}

fn read_all(path: &Path, visit: &mut CatalogVisitor<'_>) -> Result<(), CatalogError> {
    let about = fs::metadata(path).map_err(failed(path))?;
    if !about.is_dir() {
        return read_file(path, visit);
    }
    if !path.join("config.json").is_file() {
        return read_directory(path, visit);
    }
    for (folder, _) in sorted(path)?.into_iter().filter(|(folder, is_dir)| *is_dir && is_of_index(folder)) {
        read_directory(&folder, visit)?;
    }
    Ok(())
}

/// Whether a folder at the root of a cargo index holds crates.
fn is_of_index(folder: &Path) -> bool {
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    matches!(name, "1" | "2" | "3") || (name.len() == 2 && !name.starts_with('.'))
}

fn read_directory(directory: &Path, visit: &mut CatalogVisitor<'_>) -> Result<(), CatalogError> {
    for (path, is_dir) in sorted(directory)? {
        if is_dir { read_directory(&path, visit)? } else { read_file(&path, visit)? }
    }
    Ok(())
}

/// What is in a directory, by name, and whether it is a directory itself. What
/// begins with a dot is hidden, from us as from others.
fn sorted(directory: &Path) -> Result<Vec<(PathBuf, bool)>, CatalogError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed(directory))? {
        let entry = entry.map_err(failed(directory))?;
        let path = entry.path();
        let kind = entry.file_type().map_err(failed(&path))?;
        let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        let is_file = kind.is_file() || (kind.is_symlink() && path.is_file());
        if !is_hidden && (kind.is_dir() || is_file) {
            found.push((path, kind.is_dir()));
        }
    }
    found.sort();
    Ok(found)
}

fn read_file(path: &Path, visit: &mut CatalogVisitor<'_>) -> Result<(), CatalogError> {
    let mut reader = BufReader::new(File::open(path).map_err(failed(path))?);
    let mut spelling = None;
    let (mut bytes, mut line) = (Vec::new(), 0);
    loop {
        bytes.clear();
        let read =
            reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes).map_err(failed(path))?;
        if read == 0 {
            return Ok(());
        }
        line += 1;
        let mistake = |what: String| CatalogError::Mistake { path: path.to_owned(), line, what };
        if !bytes.ends_with(b"\n") && bytes.len() as u64 == LINE_BYTES_MAX {
            return Err(mistake(format!("it is longer than {LINE_BYTES_MAX} bytes")));
        }
        let text = str::from_utf8(&bytes).map_err(|_| mistake("it is not UTF-8".to_owned()))?.trim();
        if text.is_empty() {
            continue;
        }
        if let Some(spelling) = &spelling {
            let spelling: &CatalogFormat = spelling;
            visit(path, line, &spelling.parse(text).map_err(mistake)?)?;
            continue;
        }
        let text = text.trim_start_matches('\u{feff}');
        let found = CatalogFormat::of(text).map_err(mistake)?;
        if !found.has_header() {
            visit(path, line, &found.parse(text).map_err(mistake)?)?;
        }
        spelling = Some(found);
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> CatalogError + '_ {
    |source| CatalogError::Read { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGITS: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    fn room(files: &[(&str, &str)]) -> tempfile::TempDir {
        let room = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = room.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        room
    }

    #[track_caller]
    fn check(catalog: &Catalog, name: &str, version: &str, expected: Option<CatalogEntry>) {
        assert_eq!(catalog.expect(name.as_bytes(), version.as_bytes()), expected, "{name} {version}");
    }

    #[test]
    fn a_directory_may_hold_lists_of_both_spellings() {
        let json = "{\"name\":\"a\",\"version\":\"1\",\"size\":1}\n\n{\"name\":\"a\",\"version\":\"2\"}";
        let csv = "\u{feff}version,name,size\r\n1,b,3\r\n";
        let room = room(&[("more/files.ndjson", json), ("files.csv", csv), (".hidden", "nonsense")]);
        let catalog = Catalog::read(room.path()).unwrap();
        assert_eq!(catalog.len(), 3);
        let of = |size| Some(CatalogEntry { size, sha256: None });
        check(&catalog, "a", "1", of(Some(1)));
        check(&catalog, "a", "2", of(None));
        check(&catalog, "b", "1", of(Some(3)));
        check(&catalog, "b", "2", None);
    }

    #[test]
    fn a_cargo_index_is_read_without_what_lies_beside_it() {
        let line = |name: &str, version: &str| {
            format!("{{\"name\":\"{name}\",\"vers\":\"{version}\",\"deps\":[],\"cksum\":\"{DIGITS}\"}}\n")
        };
        let room = room(&[
            ("config.json", "{\"dl\":\"https://static.crates.io/crates\"}"),
            ("README.md", "no list"),
            (".git/HEAD", "ref"),
            ("1/a", &line("a", "1.0.0")),
            ("3/b/bcd", &line("Bcd", "0.1.0")),
            ("se/rd/serde", &(line("serde", "1.0.0") + &line("serde", "1.0.1+x"))),
        ]);
        let catalog = Catalog::read(room.path()).unwrap();
        assert_eq!(catalog.len(), 4);
        let known = catalog.expect(b"serde", b"1.0.1+x").unwrap();
        assert_eq!((known.size, known.sha256.unwrap()[31]), (None, 31));
        assert!(catalog.expect(b"Bcd", b"0.1.0").is_some());
    }

    #[track_caller]
    fn check_mistake(files: &[(&str, &str)], parts: &[&str]) {
        let room = room(files);
        let mistake = Catalog::read(room.path()).unwrap_err().to_string();
        for part in parts {
            assert!(mistake.contains(part), "{part:?} is not in {mistake}");
        }
    }

    #[test]
    fn mistakes_name_file_line_and_field() {
        check_mistake(&[("a.csv", "name,version,size\n\na,1,x\n")], &["a.csv:3: size: \"x\""]);
        check_mistake(&[("a.json", "{\"name\":\"a\"}\n")], &["a.json:1: version is missing"]);
        check_mistake(&[("README.md", "# Files\n")], &["README.md:1: there is no column name"]);
        check_mistake(&[("a", "\u{0}\n")], &["a:1: "]);
        check_mistake(&[], &["lists no file"]);
        check_mistake(&[("a.csv", "name,version\n")], &["lists no file"]);
        let twice =
            [("1.csv", "name,version,size\na,1,7\na,1,7\n"), ("2.csv", "name,version,size\nb,1,7\na,1,8\n")];
        check_mistake(&twice, &["2.csv:3: size or sha256", "\"a\" \"1\"", "1.csv:2"]);
        let nowhere = Catalog::read(Path::new("/nowhere.csv")).unwrap_err();
        assert_eq!(nowhere.to_string(), "read the catalogue /nowhere.csv");
    }

    #[test]
    fn a_line_without_an_end_is_not_read_into_memory() {
        let long = format!("name,version\n{}", "x".repeat(usize::try_from(LINE_BYTES_MAX).unwrap() + 1));
        check_mistake(&[("a.csv", &long)], &["a.csv:2: it is longer than"]);
    }
}
