//! House rules that no lint and no manifest checks: no I/O in pure code, no cycle
//! between the files of a crate, files that can be read in one go, a word of
//! introduction in each. The order of the crates is checked by Cargo.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Lines of a file that can be read in one go.
const MAX_LINES: usize = 500;

/// The crates that are pure but for these files, with what they do I/O for.
/// `ARCHITECTURE.md` lists the same.
const IO_FILES: &[&str] = &[
    "crates/trace/src/open.rs",
    "crates/trace/src/live.rs",
    "crates/verify/src/lookup",
    "crates/verify/src/probe/net",
    "crates/verify/src/rules/file.rs",
    "crates/verify/src/catalog/read.rs",
    "crates/report/src/directory.rs",
    "crates/report/src/saved.rs",
];

/// Where I/O is what the code is for.
const IO_FOLDERS: &[&str] = &["src/", "crates/mock/"];

/// What pure code does not use. Addresses of the network are plain values;
/// sockets are not.
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

/// The files of the program and its crates, by name, with their code.
fn sources() -> BTreeMap<String, String> {
    let files = ["src", "crates"].into_iter().flat_map(|folder| rust_files(&root().join(folder)));
    files.map(|path| (name_of(&path), code_of(&fs::read_to_string(&path).unwrap()))).collect()
}

/// The code of a file without comments and without the modules that are built for
/// tests alone. What follows such a module is code again.
fn code_of(text: &str) -> String {
    let mut code = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim_start().starts_with("//") {
            continue;
        }
        if line != "#[cfg(test)]" {
            code.push(line);
            continue;
        }
        // An item of the file itself: its end is the next line without indent.
        let item = lines.next().unwrap_or_default();
        if !item.ends_with(';') {
            lines.by_ref().find(|line| line.starts_with('}'));
        }
    }
    code.join("\n")
}

/// Whether a file is built for tests alone: a module of that name, or below one.
fn is_test(file: &str) -> bool {
    file.ends_with("/tests.rs") || file.contains("/tests/") || file.starts_with("src/engine/sim")
}

#[test]
fn code_behind_a_test_module_is_read() {
    let text = "use a;\n#[cfg(test)]\nmod tests;\nuse std::fs;\n#[cfg(test)]\nmod more {\n    use b;\n}\nfn c() {}\n";
    assert_eq!(code_of(text), "use a;\nuse std::fs;\nfn c() {}");
}

#[test]
fn pure_code_does_no_io() {
    let mut wrong = Vec::new();
    for (file, code) in sources() {
        let is_edge = IO_FILES.iter().chain(IO_FOLDERS).any(|edge| file.starts_with(edge));
        if !is_edge && !is_test(&file) {
            wrong.extend(IO_NAMES.iter().filter(|w| code.contains(**w)).map(|w| format!("{file} uses {w}")));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn files_that_do_io_exist() {
    let sources = sources();
    for edge in IO_FILES.iter().chain(IO_FOLDERS) {
        assert!(sources.keys().any(|file| file.starts_with(edge)), "{edge} is listed and is not there");
    }
}

/// The file of a module, as `crate::a::b` names it, and what it may be named by
/// in other files.
fn module_of(file: &str) -> String {
    let inside = file.split_once("src/").map_or(file, |(_, inside)| inside);
    let module = inside.trim_end_matches(".rs").replace('/', "::");
    if matches!(module.as_str(), "lib" | "main") { String::new() } else { module }
}

/// The files that a file uses by `super::` and `crate::` paths, but its own
/// parents: a module and the folder below it are one thing.
fn used_files(file: &str, code: &str, files: &BTreeMap<String, String>) -> BTreeSet<String> {
    let source_root = format!("{}src/", file.split_once("src/").map_or("", |(root, _)| root));
    let module = module_of(file);
    let parent = module.rsplit_once("::").map_or("", |(parent, _)| parent);
    let mut used = BTreeSet::new();
    for (prefix, base) in [("crate::", ""), ("super::", parent)] {
        let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
        let mut before = None;
        for part in code.split(prefix) {
            // The prefix stands before this part, unless it is the first.
            let is_path = before.is_some_and(|last: Option<char>| !last.is_some_and(is_name));
            before = Some(part.chars().next_back());
            let path: String = part.chars().take_while(|c| is_name(*c)).collect();
            let path = path.trim_end_matches(':');
            if !is_path || path.is_empty() {
                continue;
            }
            let full = if base.is_empty() { path.to_owned() } else { format!("{base}::{path}") };
            let mut name = full.as_str();
            loop {
                let candidate = format!("{source_root}{}.rs", name.replace("::", "/"));
                if files.contains_key(&candidate) {
                    used.insert(candidate);
                    break;
                }
                let Some((shorter, _)) = name.rsplit_once("::") else { break };
                name = shorter;
            }
        }
    }
    let is_parent = |other: &str| {
        let other = module_of(other);
        other.is_empty() || module == other || module.starts_with(&format!("{other}::"))
    };
    used.retain(|other| other != file && !is_parent(other) && !is_test(other));
    used
}

#[test]
fn no_two_files_use_each_other() {
    let sources = sources();
    let uses: BTreeMap<&String, BTreeSet<String>> =
        sources.iter().map(|(file, code)| (file, used_files(file, code, &sources))).collect();
    let mut wrong = Vec::new();
    for (file, used) in &uses {
        for other in used.iter().filter(|other| *other > *file) {
            if uses.get(other).is_some_and(|back| back.contains(*file)) {
                wrong.push(format!("{file} and {other}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_file_can_be_read_in_one_go_and_introduces_itself() {
    let mut wrong = Vec::new();
    for folder in ["src", "crates", "tests", "benches", "examples"] {
        for path in rust_files(&root().join(folder)) {
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
fn the_architecture_names_every_crate_and_file_that_does_io() {
    let picture = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        let name = format!("`crates/{}`", entry.unwrap().file_name().to_string_lossy());
        assert!(picture.contains(&name), "ARCHITECTURE.md does not name {name}");
    }
    for edge in IO_FILES {
        assert!(picture.contains(edge), "ARCHITECTURE.md does not list {edge}");
    }
}
