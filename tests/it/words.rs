//! The words of user-facing text: help, messages and documents use the terms of
//! the glossary (`docs/src/concepts/glossary.md`), not words that every reader
//! must translate first. And the limits of the README and of `-h`.

use std::fs;
use std::path::{Path, PathBuf};

/// Words and phrases of the private vocabulary that the project once had, in
/// lower case. Each is matched as whole words.
const BANNED: &[&str] = &[
    "astray",
    "befall",
    "befalls",
    "by whoever",
    "census",
    "clientele",
    "conduct",
    "hastened",
    "is due here",
    "longer than nothing",
    "misled",
    "nothing speaks against",
    "of one's own",
    "packing",
    "stand-in",
    "starved",
    "told by",
    "told of",
    "untimely",
    "what it was told",
    "whoever",
    "whosoever",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|own| own == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The banned words that stand in a text.
fn banned(text: &str) -> Vec<&'static str> {
    let is_letter = |c: char| c.is_alphanumeric() || c == '_';
    let text = text.to_lowercase();
    let stands_in = |word: &&&str| {
        text.match_indices(**word).any(|(at, _)| {
            let before = text.get(..at).and_then(|before| before.chars().next_back());
            let after = text.get(at + word.len()..).and_then(|after| after.chars().next());
            !before.is_some_and(is_letter) && !after.is_some_and(is_letter)
        })
    };
    BANNED.iter().filter(stands_in).copied().collect()
}

/// What a user may read of a source file: string literals, and documentation of
/// the command line, which is its help. Tests are left out.
fn user_facing(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let is_args = path.file_name().is_some_and(|name| name.to_string_lossy().ends_with("_args.rs"));
    let mut found = Vec::new();
    for line in code.lines().map(str::trim) {
        match line.strip_prefix("///") {
            Some(help) if is_args => found.push(help.to_owned()),
            Some(_) => {}
            None if line.starts_with("//") => {}
            // Each second piece between quotation marks is a literal; a line of a
            // longer literal has none.
            None => {
                let is_prose = !line.contains([';', '{', '}', '=', '(']) && line.split(' ').count() > 4;
                found.extend(line.split('"').skip(1).step_by(2).map(str::to_owned));
                found.extend(is_prose.then(|| line.to_owned()));
            }
        }
    }
    found
}

#[test]
fn words_are_matched_whole() {
    assert_eq!(banned("The Stand-in, told by."), ["stand-in", "told by"]);
    assert_eq!(banned("misconduct and packings; a semiconductor"), [""; 0]);
}

#[test]
fn messages_and_help_use_the_words_of_the_glossary() {
    let mut wrong = Vec::new();
    let folders = ["src", "crates"];
    for path in folders.iter().flat_map(|folder| files(&root().join(folder), "rs")) {
        // The content of the files that the mock registry serves is no message, and
        // catalogues hold its digests.
        if path.ends_with("mock/src/cdn.rs")
            || path.ends_with("tests.rs")
            || path.components().any(|part| part.as_os_str() == "tests")
        {
            continue;
        }
        for text in user_facing(&path) {
            wrong.extend(banned(&text).into_iter().map(|word| format!("{}: {word}: {text}", path.display())));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn documents_use_the_words_of_the_glossary() {
    let mut wrong = Vec::new();
    let top =
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"].map(|name| root().join(name));
    for path in files(&root().join("docs/src"), "md").into_iter().chain(top) {
        // The glossary lists the words that it replaces.
        if path.ends_with("glossary.md") {
            continue;
        }
        for (number, line) in fs::read_to_string(&path).unwrap().lines().enumerate() {
            let found = banned(line).into_iter();
            wrong.extend(found.map(|word| format!("{}:{}: {word}: {line}", path.display(), number + 1)));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_readme_is_one_page() {
    let lines = fs::read_to_string(root().join("README.md")).unwrap().lines().count();
    assert!(lines <= 150, "README.md has {lines} lines: move what is not an introduction to docs/src");
}

#[test]
fn every_page_of_the_book_is_in_its_summary() {
    let book = root().join("docs/src");
    let summary = fs::read_to_string(book.join("SUMMARY.md")).unwrap();
    for path in files(&book, "md") {
        let name = path.strip_prefix(&book).unwrap().to_str().unwrap();
        assert!(
            name == "SUMMARY.md" || summary.contains(&format!("({name})")),
            "SUMMARY.md does not list {name}"
        );
    }
}
