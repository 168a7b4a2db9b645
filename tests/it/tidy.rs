//! House rules that no lint checks: the order of the chapters, no I/O in pure
//! ones, files that can be read in a sitting, a word of introduction in each.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Lines of a file that is read in one sitting.
const MAX_LINES: usize = 500;

/// The files outside `engine`, `mock` and `cli` that touch the world, with
/// what they touch it for. `ARCHITECTURE.md` lists the same.
const IO_FILES: &[&str] = &[
    "src/trace/open.rs",
    "src/trace/live.rs",
    "src/verify/lookup",
    "src/verify/probe/net",
    "src/verify/rules/file.rs",
    "src/verify/catalog/read.rs",
    "src/report/directory.rs",
    "src/report/saved.rs",
];

/// What a pure chapter does not know. Addresses of the network are plain
/// values; sockets are not.
const IO_NAMES: &[&str] = &[
    "std::fs",
    "std::thread",
    "std::env",
    "std::process",
    "tokio",
    "hyper::",
    "clap::",
    "rustix::",
    "socket2::",
    "TcpStream",
    "UdpSocket",
    "SystemTime",
    "Instant",
    "thread_rng",
    "rand::rng",
    "std::io::stdin",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn name_of(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned()
}

/// The chapters in the order of `lib.rs`, by name.
fn chapters() -> BTreeMap<String, usize> {
    let table = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let names = table.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    names.enumerate().map(|(place, name)| (name.to_owned(), place)).collect()
}

fn chapter_of(file: &str) -> Option<&str> {
    let inside = file.strip_prefix("src/")?;
    let first = inside.split('/').next()?;
    Some(first.strip_suffix(".rs").unwrap_or(first)).filter(|name| !matches!(*name, "lib" | "main"))
}

/// The code of a file without its comments, up to its tests.
fn code_of(text: &str) -> String {
    let code = text.lines().take_while(|line| !line.starts_with("#[cfg(test)]"));
    code.filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_chapter_uses_only_those_above_it() {
    let order = chapters();
    assert!(order.len() > 8, "{order:?}");
    let mut wrong = Vec::new();
    for path in rust_files(&root().join("src")) {
        let file = name_of(&path);
        let Some(own) = chapter_of(&file) else { continue };
        let code = code_of(&fs::read_to_string(&path).unwrap());
        for used in code.split("crate::").skip(1) {
            let used: String = used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if order.get(&used).is_some_and(|place| *place > order[own]) {
                wrong.push(format!("{file} uses {used}, which stands below {own}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn pure_chapters_do_not_touch_the_world() {
    let mut wrong = Vec::new();
    for path in rust_files(&root().join("src")) {
        let file = name_of(&path);
        let Some(chapter) = chapter_of(&file) else { continue };
        let is_edge = IO_FILES.iter().any(|edge| file.starts_with(edge));
        if is_edge || matches!(chapter, "engine" | "mock" | "cli") || file.ends_with("/tests.rs") {
            continue;
        }
        let code = code_of(&fs::read_to_string(&path).unwrap());
        wrong.extend(IO_NAMES.iter().filter(|w| code.contains(**w)).map(|w| format!("{file} knows {w}")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn edges_are_files_that_exist() {
    for edge in IO_FILES {
        let found = rust_files(&root().join("src")).iter().any(|path| name_of(path).starts_with(edge));
        assert!(found, "{edge} is listed as an edge and is not there");
    }
}

#[test]
fn a_file_is_read_in_a_sitting_and_introduces_itself() {
    let mut wrong = Vec::new();
    for room in ["src", "tests", "benches", "examples"] {
        for path in rust_files(&root().join(room)) {
            let text = fs::read_to_string(&path).unwrap();
            let lines = text.lines().count();
            if lines > MAX_LINES {
                wrong.push(format!("{} has {lines} lines", name_of(&path)));
            }
            if !text.starts_with("//!") {
                wrong.push(format!("{} does not introduce itself", name_of(&path)));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_picture_of_the_rooms_names_every_chapter() {
    let picture = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    for chapter in chapters().keys() {
        assert!(picture.contains(&format!("`{chapter}")), "ARCHITECTURE.md does not name {chapter}");
    }
    for edge in IO_FILES {
        assert!(picture.contains(edge), "ARCHITECTURE.md does not list the edge {edge}");
    }
}
